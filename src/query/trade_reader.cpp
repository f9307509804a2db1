#include "query/trade_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

#include "base/recently_used.h"
#include "format/file_names.h"
#include "store/run_reader.h"
#include "store/trade_table.h"

namespace signalbook {

namespace {

enum Parameter : size_t {
  kRunId,
  kTracePath,
  kStrategyId,
  kDataId,
  kBarCount,
  kChangeCount,
  kFileSize,
  kFileSha256,
  kPack,
  kRowStart,
  kTraceHash,
  kPart,
  kCostBps
};

std::vector<ListFunction::Parameter> parameters() {
  return {{"run_id", ColumnType::text},     {"trace_path", ColumnType::text},   {"strategy_id", ColumnType::text},
          {"data_id", ColumnType::text},    {"bar_count", ColumnType::int64},   {"change_count", ColumnType::int64},
          {"file_size", ColumnType::int64}, {"file_sha256", ColumnType::bytes}, {"pack", ColumnType::text},
          {"row_start", ColumnType::int64}, {"trace_hash", ColumnType::bytes},  {"part", ColumnType::int64},
          {"cost_bps", ColumnType::real}};
}

// The trade's number in its trace in front.
Table numbered(Table trades) {
  TableColumn numbers = {.name = "trade", .type = ColumnType::int64};
  for (size_t i = 0; i < trades.row_count(); ++i) numbers.append_integer(static_cast<int64_t>(i));
  trades.columns.insert(trades.columns.begin(), std::move(numbers));
  return trades;
}

size_t memory_of(const Bars& bars) { return bars.size() * 6 * sizeof(double); }

class TradeReader {
 public:
  TradeReader(FileSystem& files, const std::vector<RunLocation>& runs, std::optional<std::string> confined_to)
      : files_(files), confined_to_(std::move(confined_to)) {
    for (const RunLocation& run : runs) paths_[run.run_id] = run.path;
  }

  Status give(const Table& calls, const ListFunction::Give& give);

 private:
  struct Call {  // of one trace
    std::string run_path;
    IndexRow row;  // as far as a trace is read and checked by it
    double cost_bps = 0;
    bool operator==(const Call& other) const {
      return run_path == other.run_path && row.trace_path == other.row.trace_path && cost_bps == other.cost_bps;
    }
  };

  Result<Call> read_call(const Table& calls, size_t i) const;
  Status check_place(const std::string& path) const;
  Result<TraceStorage*> traces_of(const std::string& run_path);
  Result<std::shared_ptr<const TradePrices>> prices_of(const std::string& run_path, const IndexRow& row);
  Result<Table> trades_of(const Call& call);

  // Of many feeds, or of one that many traces were cut off on, the last ones stay.
  static constexpr size_t kMostBytes = 128 << 20;

  FileSystem& files_;
  const std::optional<std::string> confined_to_;
  std::map<std::string, std::string> paths_;  // of the runs
  RecentlyUsed<Bars> bars_{kMostBytes};
  RecentlyUsed<TradePrices> prices_{kMostBytes};
  std::mutex traces_mutex_;
  std::map<std::string, std::unique_ptr<TraceStorage>> traces_;  // by the paths of the runs
};

Result<TradeReader::Call> TradeReader::read_call(const Table& calls, size_t i) const {
  const auto& columns = calls.columns;
  if (columns[kCostBps].is_null(i)) return Status::invalid("the cost of trades is NULL: give basis points a side");
  const double cost_bps = columns[kCostBps].reals[i];
  if (!std::isfinite(cost_bps) || cost_bps < 0) {
    return Status::invalid(fmt::format("the cost of trades is {}: give basis points a side, 0 or more", cost_bps));
  }
  const bool is_packed = !columns[kPack].is_null(i);
  for (size_t parameter = 0; parameter < columns.size(); ++parameter) {
    const TableColumn& column = columns[parameter];
    const bool is_of_files = parameter == kFileSize || parameter == kFileSha256;
    const bool is_of_packs = parameter == kPack || parameter == kRowStart;
    const bool may_be_null = is_packed ? is_of_files : is_of_packs;
    if (column.is_null(i) && !may_be_null) {
      return Status::damaged(fmt::format("the index of {} has a trace without {}: {}", columns[kRunId].texts[i],
                                         column.name, columns[kTracePath].texts[i]));
    }
  }
  const auto path = paths_.find(columns[kRunId].texts[i]);
  if (path == paths_.end()) return Status::not_found(fmt::format("there is no run {}", columns[kRunId].texts[i]));
  Call call = {.run_path = path->second, .row = {}, .cost_bps = cost_bps};
  call.row.trace_path = columns[kTracePath].texts[i];
  call.row.strategy_id = columns[kStrategyId].texts[i];
  call.row.data_id = columns[kDataId].texts[i];
  call.row.bar_count = columns[kBarCount].integers[i];
  call.row.change_count = columns[kChangeCount].integers[i];
  const std::string& sha256 = columns[kFileSha256].texts[i];
  const std::string& trace_hash = columns[kTraceHash].texts[i];
  const bool has_digest = is_packed || sha256.size() == call.row.file_sha256.size();
  if (!has_digest || trace_hash.size() != call.row.trace_hash.size()) {
    return Status::damaged(fmt::format("the index of {} has no digests of {}", call.run_path, call.row.trace_path));
  }
  std::ranges::copy(trace_hash, call.row.trace_hash.begin());
  if (is_packed) {
    call.row.pack = columns[kPack].texts[i];
    call.row.row_start = columns[kRowStart].integers[i];
  } else {
    call.row.file_size = columns[kFileSize].integers[i];
    std::ranges::copy(sha256, call.row.file_sha256.begin());
  }
  return call;
}

// Whoever may ask SQL only of a store learns nothing of other files. What is not there is for others to tell.
Status TradeReader::check_place(const std::string& path) const {
  if (!confined_to_.has_value()) return Status();
  const Result<std::string> real_path = files_.absolute_path(path);
  if (!real_path.ok() || real_path->starts_with(*confined_to_ + "/")) return Status();
  return Status::invalid(path + " leads out of the store " + *confined_to_);
}

Result<TraceStorage*> TradeReader::traces_of(const std::string& run_path) {
  const std::lock_guard lock(traces_mutex_);
  std::unique_ptr<TraceStorage>& traces = traces_[run_path];
  if (traces == nullptr) {
    SB_ASSIGN_OR_RETURN(traces, open_traces(files_, run_path));
  }
  return traces.get();
}

Result<std::shared_ptr<const TradePrices>> TradeReader::prices_of(const std::string& run_path, const IndexRow& row) {
  SB_RETURN_IF_ERROR(check_place(join_path(join_path(run_path, ".."), bars_path(row.data_id))));
  const auto make = [&]() -> Result<TradePrices> {
    SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Bars> bars,
                        bars_.get(
                            row.data_id, [&] { return read_stored_bars(files_, run_path, row.data_id); }, memory_of));
    return TradePrices::make(*bars, row.bar_count);
  };
  return prices_.get(fmt::format("{}/{}", row.data_id, row.bar_count), make,
                     [](const TradePrices& prices) { return prices.memory(); });
}

Result<Table> TradeReader::trades_of(const Call& call) {
  SB_ASSIGN_OR_RETURN(TraceStorage* const traces, traces_of(call.run_path));
  const std::string path = join_path(call.run_path, call.row.is_packed() ? call.row.pack : call.row.trace_path);
  SB_RETURN_IF_ERROR(check_place(path));
  const Result<Trace> trace = traces->read(call.row);
  SB_RETURN_IF_ERROR(trace.status());
  const Result<std::shared_ptr<const TradePrices>> found = prices_of(call.run_path, call.row);
  const std::string place = fmt::format("{}: strategy {}", call.run_path, call.row.strategy_id);
  if (!found.ok()) return found.status().at(place);
  const std::shared_ptr<const TradePrices>& prices = *found;
  constexpr double kBasisPoint = 1e-4;
  const Result<std::vector<Trade>> trades = trades_of_trace(*trace, *prices, call.cost_bps * kBasisPoint);
  if (!trades.ok()) return trades.status().at(place);
  return numbered(trade_table(*trades, prices->ts()));
}

Status TradeReader::give(const Table& calls, const ListFunction::Give& give) {
  // The parts of a trace are asked for one after the other.
  std::optional<Call> known;
  Table trades;
  for (size_t i = 0; i < calls.row_count(); ++i) {
    SB_ASSIGN_OR_RETURN(Call call, read_call(calls, i));
    if (known != call) {
      SB_ASSIGN_OR_RETURN(trades, trades_of(call));
      known = std::move(call);
    }
    const size_t first = static_cast<size_t>(calls.columns[kPart].integers[i]) * kTradesOfAPart;
    if (first >= trades.row_count()) continue;
    SB_RETURN_IF_ERROR(give(i, trades, first, std::min<size_t>(kTradesOfAPart, trades.row_count() - first)));
  }
  return Status();
}

}  // namespace

ListFunction trades_function(FileSystem& files, const std::vector<RunLocation>& runs,
                             const std::optional<std::string>& confined_to) {
  const auto reader = std::make_shared<TradeReader>(files, runs, confined_to);
  return {.parameters = parameters(),
          .columns = numbered(trade_table({}, {})),
          .rows = [reader](const Table& calls, const ListFunction::Give& give) { return reader->give(calls, give); }};
}

}  // namespace signalbook
