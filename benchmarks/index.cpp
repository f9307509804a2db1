// Writes strategy indexes of any size, as a store that holds runs without traces: what `signalbook sql` is asked about
// in the measurements of many strategies and of many runs. Prints a line of JSON: the time, and where the bytes went.
//
// A row is one of five strategy types with four to eight of 20 parameters, each with 200 values drawn at random: worse
// than a sweep, whose grid repeats itself. Run r + 1 begins with the last 15% of the strategies of run r.
#include <fmt/format.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iterator>
#include <map>
#include <random>

#include "base/file_system.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/metric_set.h"
#include "store/run_description.h"
#include "store/store.h"
#include "store/strategy_index.h"

namespace signalbook {
namespace {

constexpr int64_t kCreatedAt = 1'711'500'000'000'000, kBar = 300'000'000, kBarCount = 16'614;

struct StrategyType {
  const char* name;
  std::vector<const char*> parameters;
};

const std::vector<StrategyType>& strategy_types() {
  static const std::vector<StrategyType> types = {
      {"bollinger_bands", {"period", "std_dev", "exit_threshold", "atr_stop"}},
      {"rsi_bands", {"rsi_period", "oversold", "overbought", "atr_stop", "max_hold"}},
      {"ma_crossover", {"fast_period", "slow_period", "ma_kind", "band", "atr_stop", "max_hold"}},
      {"keltner_bands", {"period", "multiplier", "atr_period", "exit_threshold", "atr_stop", "max_hold", "cooldown"}},
      {"macd_trend",
       {"macd_fast", "macd_slow", "macd_signal", "hist_min", "trend_period", "atr_stop", "max_hold", "cooldown"}}};
  return types;
}

// Whether a parameter counts bars, or is a factor in steps of 0.05.
bool is_whole(std::string_view name) {
  return name.find("period") != name.npos || name.starts_with("macd") || name == "max_hold" || name == "cooldown" ||
         name == "ma_kind";
}

template <typename Bytes>
void fill_at_random(Bytes& bytes, std::mt19937_64& random) {
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
}

// Strategy `number` is the same in every run; its trace is not.
IndexRow make_row(int64_t number, int64_t run, TracePaths& paths) {
  std::mt19937_64 random(static_cast<uint64_t>(number) * 2 + 1);
  const StrategyType& type = strategy_types()[random() % strategy_types().size()];
  IndexRow row;
  row.strategy_id = fmt::format("strategy_{}", number);
  row.strategy_type = type.name;
  row.symbol = "SPY";
  row.timeframe = "5m";
  for (const char* name : type.parameters) {
    const auto draw = static_cast<int64_t>(random() % 200) + 1;
    JsonValue& value = row.parameters.emplace_back(name, JsonValue()).second;
    value = is_whole(name) ? JsonValue(draw + 1) : JsonValue(static_cast<double>(draw) / 20.0);
  }
  row.strategy_config = to_json(JsonValue(JsonValue::Object{
      {"type", JsonValue(type.name)}, {"parameters", JsonValue(row.parameters)}, {"seed", JsonValue(number)}}));
  row.strategy_digest = sha256(row.strategy_config);
  row.value_digest = sha256(row.strategy_config + " ");
  constexpr const char* kConstraints[] = {"", "volume > 1.2", "vwap_distance > 0.1"};
  row.constraints = kConstraints[random() % std::size(kConstraints)];

  random.seed(static_cast<uint64_t>(number) * 1'000'003 + static_cast<uint64_t>(run) * 2);
  const std::string digest = to_hex(row.strategy_digest);
  row.trace_path = paths.add({.symbol = row.symbol,
                              .timeframe = row.timeframe,
                              .kind = row.kind,
                              .strategy_type = row.strategy_type,
                              .strategy_digest = digest});
  fill_at_random(row.trace_hash, random);
  fill_at_random(row.file_sha256, random);
  row.data_id = std::string(64, 'd');
  row.bar_count = kBarCount;
  row.observed_from = static_cast<int64_t>(random() % 200);
  row.observed_to = kBarCount - 1;
  row.complete = true;
  row.change_count = static_cast<int64_t>(random() % 3'000) + 1;
  row.first_ts = kCreatedAt + *row.observed_from * kBar;
  row.last_ts = kCreatedAt + (kBarCount - 1 - static_cast<int64_t>(random() % 400)) * kBar;
  row.file_size = 1'900 + row.change_count * 13 + static_cast<int64_t>(random() % 100);
  row.created_at = kCreatedAt;
  return row;
}

int64_t max_rss_mb() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

struct Written {
  int64_t bytes = 0;
  double sort_seconds = 0.0, encode_seconds = 0.0;
  int64_t rss_before = 0;  // the highest so far in MB, with the rows in memory and nothing encoded
  std::map<std::string, int64_t> column_bytes;
};

// Bytes of each column, the parameters taken together.
void count_columns(const std::string& path, std::map<std::string, int64_t>& column_bytes) {
  const auto reader = parquet::ParquetFileReader::OpenFile(path);
  const auto metadata = reader->metadata();
  for (int group = 0; group < metadata->num_row_groups(); ++group) {
    const auto row_group = metadata->RowGroup(group);
    for (int i = 0; i < row_group->num_columns(); ++i) {
      std::string name = metadata->schema()->GetColumnRoot(i)->name();
      if (name.starts_with("param_")) name = "param_*";
      column_bytes[name] += row_group->ColumnChunk(i)->total_compressed_size();
    }
  }
  column_bytes["footer"] += metadata->size();
}

struct Options {
  std::string store;
  int64_t runs = 1, rows = 1'000'000, first_run = 0;
  bool without_description = false;
};

Status write_run(FileSystem& files, const Options& options, int64_t run, Written& written) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration duration) { return std::chrono::duration<double>(duration).count(); };
  const std::string run_id = fmt::format("run_{:04}", run);
  const std::string path = join_path(options.store, run_id);
  SB_RETURN_IF_ERROR(files.create_directory(path));

  std::vector<IndexRow> rows;
  rows.reserve(static_cast<size_t>(options.rows));
  TracePaths paths;
  const int64_t first = run * options.rows * 85 / 100;
  for (int64_t i = 0; i < options.rows; ++i) rows.push_back(make_row(first + i, run, paths));
  const Clock::time_point start = Clock::now();
  sort_index(rows);
  written.rss_before = max_rss_mb();
  const Clock::time_point sorted = Clock::now();
  SB_ASSIGN_OR_RETURN(const std::string index, encode_index(rows, {}));
  written.sort_seconds += seconds(sorted - start);
  written.encode_seconds += seconds(Clock::now() - sorted);
  written.bytes += static_cast<int64_t>(index.size());

  if (!options.without_description) {
    RunDescription description;
    description.run_id = run_id;
    description.created_at = kCreatedAt;
    description.strategy_count = description.trace_count = options.rows;
    for (const IndexRow& row : rows) description.change_count += row.change_count;
    description.feeds.push_back({.symbol = "SPY",
                                 .timeframe = "5m",
                                 .data_id = std::string(64, 'd'),
                                 .bar_count = kBarCount,
                                 .first_ts = kCreatedAt,
                                 .last_ts = kCreatedAt + (kBarCount - 1) * kBar});
    description.files.push_back(
        {.path = file::kStrategyIndex, .size = static_cast<int64_t>(index.size()), .sha256 = to_hex(sha256(index))});
    SB_RETURN_IF_ERROR(
        files.write_new_file(join_path(path, file::kRunDescription), encode_run_description(description)));
  }
  const std::string index_path = join_path(path, file::kStrategyIndex);
  SB_RETURN_IF_ERROR(files.write_new_file(index_path, index));
  count_columns(index_path, written.column_bytes);
  return Status();
}

Status write_store(const Options& options) {
  FileSystem& files = posix_file_system();
  SB_RETURN_IF_ERROR(create_directories(files, options.store));
  SB_RETURN_IF_ERROR(
      ensure_store(files, options.store, "2024-03-27T00:40:00Z", join_path(options.store, "store.json.tmp")));
  Written written;
  for (int64_t run = options.first_run; run < options.first_run + options.runs; ++run) {
    SB_RETURN_IF_ERROR(write_run(files, options, run, written));
  }
  JsonValue::Object columns;
  for (const auto& [name, bytes] : written.column_bytes) columns.emplace_back(name, JsonValue(bytes));
  fmt::print("{}\n", to_json(JsonValue(JsonValue::Object{{"runs", JsonValue(options.runs)},
                                                         {"rows_a_run", JsonValue(options.rows)},
                                                         {"sort_s", JsonValue(written.sort_seconds)},
                                                         {"encode_s", JsonValue(written.encode_seconds)},
                                                         {"max_rss_mb", JsonValue(max_rss_mb())},
                                                         {"max_rss_mb_before_encoding", JsonValue(written.rss_before)},
                                                         {"bytes", JsonValue(written.bytes)},
                                                         {"column_bytes", JsonValue(std::move(columns))}})));
  return Status();
}

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  CLI::App app("Writes runs that have an index and no traces.");
  signalbook::Options options;
  app.add_option("store", options.store, "directory; a store where it is none yet")->required();
  app.add_option("--runs", options.runs)->capture_default_str();
  app.add_option("--rows", options.rows, "of each run")->capture_default_str();
  app.add_option("--first-run", options.first_run, "number of the first run, to add to a store")->capture_default_str();
  app.add_flag("--without-description", options.without_description, "no run.json: indexes that others wrote");
  CLI11_PARSE(app, argc, argv);
  const signalbook::Status status = signalbook::write_store(options);
  if (!status.ok()) fmt::print(stderr, "bench_index: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
