#include "query/packed_traces.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "query/sql_text.h"
#include "store/run_reader.h"
#include "store/table_file.h"
#include "store/trace_storage.h"

namespace signalbook {

namespace {

constexpr const char* kBarTime = "signalbook_bar_ts";
constexpr const char* kBarClose = "signalbook_bar_close";
constexpr const char* kStrategyOfTrace = "signalbook_strategy_id";
constexpr const char* kPathOfTrace = "signalbook_trace_path";

int64_t to_integer(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool matches_part(const std::string& pattern, std::string_view name) {
  if (pattern == "*") return true;
  if (pattern == "*.parquet") return name.ends_with(".parquet");
  return fnmatch(pattern.c_str(), std::string(name).c_str(), FNM_PERIOD) == 0;
}

// `**` stands for any number of directories.
bool matches(std::span<const std::string> pattern, std::span<const std::string_view> parts) {
  if (pattern.empty()) return parts.empty();
  if (pattern.front() == "**") {
    for (size_t skipped = 0; skipped <= parts.size(); ++skipped) {
      if (matches(pattern.subspan(1), parts.subspan(skipped))) return true;
    }
    return false;
  }
  return !parts.empty() && matches_part(pattern.front(), parts.front()) &&
         matches(pattern.subspan(1), parts.subspan(1));
}

void add_trace(std::vector<TraceRange>& ranges, int64_t trace_id) {
  if (!ranges.empty() && ranges.back().last + 1 == trace_id) {
    ranges.back().last = trace_id;
  } else {
    ranges.push_back({.first = trace_id, .last = trace_id});
  }
}

// Texts one behind the other.
class Texts {
 public:
  explicit Texts(const std::vector<std::string>& texts) {
    size_t size = 0;
    for (const std::string& text : texts) size += text.size();
    bytes_.reserve(size);
    ends_.reserve(texts.size());
    for (const std::string& text : texts) {
      bytes_ += text;
      ends_.push_back(bytes_.size());
    }
  }
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }
  size_t memory() const { return bytes_.size() + ends_.size() * sizeof(size_t); }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

const TableColumn* text_column(const Table& table, const char* name) {
  const TableColumn* const column = table.find(name);
  return column != nullptr && column->type == ColumnType::text ? column : nullptr;
}

}  // namespace

struct PackedTraces::Identities {
  Texts strategy_ids, hashes;
  size_t memory() const { return strategy_ids.memory() + hashes.memory(); }
};

struct PackedTraces::Paths {
  Texts paths, hashes;
  std::vector<std::string> packs;   // their names
  std::vector<int32_t> pack;        // by trace: its place in `packs`; -1: a file of its own
  std::vector<int64_t> row_counts;  // by trace
  std::unordered_map<std::string_view, size_t> places;
  size_t memory() const { return paths.memory() + hashes.memory() + paths.size() * 64; }
};

// ---- Which packs there are ------------------------------------------------------------------------------------------

Status PackedTraces::load(Connection& connection, std::span<const RunLocation> runs,
                          const std::string& strategies_sql) {
  const std::lock_guard lock(mutex_);
  const auto is_known = [&](const RunLocation& run) { return runs_.contains(run.run_id); };
  if (std::ranges::all_of(runs, is_known)) return Status();
  SB_ASSIGN_OR_RETURN(
      const TextRows rows,
      connection.fetch(
          "SELECT run_id, pack, CASE WHEN pack IS NULL THEN NULL ELSE kind END AS kind_of_pack, CASE WHEN pack IS NULL "
          "THEN NULL ELSE symbol END AS symbol_of_pack, CASE WHEN pack IS NULL THEN NULL ELSE data_id END AS "
          "data_of_pack, CAST(count(*) AS VARCHAR), CAST(coalesce(sum(row_count), 0) AS VARCHAR), "
          "CAST(count(row_count) AS VARCHAR), CAST(min(trace_id) FILTER (row_count > 0) AS VARCHAR), "
          "CAST(max(trace_id) FILTER (row_count > 0) AS VARCHAR) FROM (" +
          strategies_sql + ") GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2"));
  std::map<std::string, RunPacks> found;
  bool has_any = false;
  for (const std::vector<std::string>& row : rows) {
    RunPacks& run = found[row[0]];
    const std::string& path = row[1];
    if (path.empty()) {
      run.file_count += to_integer(row[5]);
      continue;
    }
    const std::optional<SignalKind> kind = pack_kind(path);
    const bool is_of_kind = kind == (row[2] == "classifier" ? SignalKind::label : SignalKind::number);
    const bool is_twice = !run.packs.empty() && run.packs.back().path == path;
    if (!is_of_kind || is_twice || row[5] != row[7]) {
      return Status::damaged(fmt::format(
          "the index of {} does not say which rows of {} are whose; `signalbook verify` tells more", row[0], path));
    }
    run.packs.push_back({.run_id = row[0],
                         .path = path,
                         .kind = *kind,
                         .symbol = row[3],
                         .data_id = row[4],
                         .trace_count = to_integer(row[5]),
                         .row_count = to_integer(row[6]),
                         .first_trace = to_integer(row[8]),
                         .last_trace = to_integer(row[9])});
    has_any = true;
  }
  if (has_any && !has_functions_) {
    SB_RETURN_IF_ERROR(add_functions(connection));
    has_functions_ = true;
  }
  for (const RunLocation& run : runs) {
    const auto packs = found.find(run.run_id);
    const auto [place, is_new] = runs_.try_emplace(run.run_id);
    if (!is_new || packs == found.end()) continue;
    place->second = std::move(packs->second);
    for (const PackOfRun& pack : place->second.packs) run_of_data_.emplace(pack.data_id, run.run_id);
  }
  return Status();
}

bool PackedTraces::has_packs(const std::string& run_id) const {
  const std::lock_guard lock(mutex_);
  const auto run = runs_.find(run_id);
  return run != runs_.end() && !run->second.packs.empty();
}

bool PackedTraces::has_files(const std::string& run_id) const {
  const std::lock_guard lock(mutex_);
  const auto run = runs_.find(run_id);
  return run != runs_.end() && run->second.file_count > 0;
}

std::optional<int64_t> PackedTraces::file_count(const std::string& run_id) const {
  const std::lock_guard lock(mutex_);
  const auto run = runs_.find(run_id);
  return run == runs_.end() ? std::nullopt : std::optional(run->second.file_count);
}

std::vector<PackOfRun> PackedTraces::packs_of(const std::string& run_id) const {
  const std::lock_guard lock(mutex_);
  const auto run = runs_.find(run_id);
  return run == runs_.end() ? std::vector<PackOfRun>() : run->second.packs;
}

const RunLocation* PackedTraces::find_run(const std::string& run_id) const {
  const auto run = std::ranges::find(place_.runs, run_id, &RunLocation::run_id);
  return run == place_.runs.end() ? nullptr : &*run;
}

Status PackedTraces::open(Connection& connection, RunTables& tables, std::span<const PackOfRun> packs) {
  std::vector<std::string> names;
  std::map<std::string, OpenedPack> by_name;
  for (const PackOfRun& pack : packs) {
    if (opened(pack.run_id, pack.path).ok()) continue;
    const RunLocation* const run = find_run(pack.run_id);
    if (run == nullptr) return Status::not_found("there is no run " + pack.run_id);
    const std::string path = join_path(run->path, pack.path);
    Result<std::string> file = tables.checked_file(
        {.run_id = run->run_id, .path = join_path(place_.store_path, run->run_id)}, pack.path, FileCheck::size);
    SB_RETURN_IF_ERROR(file.status());
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(*file));
    if (!exists) return Status::damaged(path + ": the pack is missing; restore it from a copy");
    names.push_back(escape_glob(*file));
    by_name[*file] = {.about = pack, .file = *file};
  }
  if (names.empty()) return Status();
  SB_ASSIGN_OR_RETURN(
      const TextRows rows,
      connection.fetch(
          "SELECT file_name, CAST(bool_or(path_in_schema = 'ts') AS VARCHAR), CAST(sum(row_group_num_rows) "
          "FILTER (path_in_schema = 'trace_id') AS VARCHAR), CAST(min(TRY_CAST(stats_min_value AS "
          "BIGINT)) FILTER (path_in_schema = 'trace_id') AS VARCHAR), CAST(max(TRY_CAST(stats_max_value "
          "AS BIGINT)) FILTER (path_in_schema = 'trace_id') AS VARCHAR) FROM parquet_metadata([" +
          quoted_sql_list(names) + "]) GROUP BY 1"));
  std::map<std::string, std::vector<std::string>> footers;
  for (const std::vector<std::string>& row : rows) footers[row[0]] = row;
  for (auto& [name, pack] : by_name) {
    const PackOfRun& about = pack.about;
    const auto footer = footers.find(name);
    const int64_t row_count = footer == footers.end() ? 0 : to_integer(footer->second[2]);
    const std::string path = join_path(find_run(about.run_id)->path, about.path);
    if (row_count < about.row_count) {
      return Status::damaged(
          fmt::format("{}: {} changes, {} by the index; restore it from a copy", path, row_count, about.row_count));
    }
    pack.has_more = row_count > about.row_count;
    if (row_count == 0) continue;
    pack.is_full = footer->second[1] == "true";
    const int64_t first = to_integer(footer->second[3]), last = to_integer(footer->second[4]);
    if (!pack.has_more && (first != about.first_trace || last != about.last_trace)) {
      return Status::damaged(fmt::format("{}: traces {} to {}, {} to {} by the index; `signalbook verify` tells more",
                                         path, first, last, about.first_trace, about.last_trace));
    }
  }
  const std::lock_guard lock(mutex_);
  for (auto& [name, pack] : by_name) {
    const std::pair key(pack.about.run_id, pack.about.path);
    opened_.insert_or_assign(key, std::move(pack));
  }
  return Status();
}

void PackedTraces::open_each(Connection& connection, RunTables& tables, std::span<const PackOfRun> packs) {
  if (open(connection, tables, packs).ok()) return;
  for (const PackOfRun& pack : packs) {
    const Status status = open(connection, tables, std::span(&pack, 1));
    const std::lock_guard lock(mutex_);
    if (!status.ok()) failures_.insert_or_assign({pack.run_id, pack.path}, status);
  }
}

Result<OpenedPack> PackedTraces::opened(const std::string& run_id, const std::string& pack) const {
  const std::lock_guard lock(mutex_);
  const std::pair key(run_id, pack);
  if (const auto found = opened_.find(key); found != opened_.end()) return found->second;
  const auto failure = failures_.find(key);
  if (failure != failures_.end()) return failure->second;
  return Status::not_found(fmt::format("{} of {} is not open", pack, run_id));
}

Result<PackedRows> PackedTraces::rows_of(const std::string& run_id, const std::string& pack,
                                         std::vector<TraceRange> ranges) const {
  SB_ASSIGN_OR_RETURN(OpenedPack opened_pack, opened(run_id, pack));
  int64_t count = 0;
  for (const TraceRange& range : ranges) count += range.last - range.first + 1;
  if (!opened_pack.has_more && count == opened_pack.about.trace_count) ranges.clear();
  return PackedRows{.pack = std::move(opened_pack), .ranges = std::move(ranges)};
}

Result<PackedRows> PackedTraces::all_rows_of(const PackOfRun& pack) const {
  SB_ASSIGN_OR_RETURN(OpenedPack opened_pack, opened(pack.run_id, pack.path));
  PackedRows rows = {.pack = std::move(opened_pack), .ranges = {}};
  if (!rows.pack.has_more) return rows;
  SB_ASSIGN_OR_RETURN(Matches matches, match(pack.run_id, "**"));
  rows.ranges = std::move(matches.packed[pack.path]);
  return rows;
}

namespace {

// Of an index that was made anew from packs some trace_ids may be missing, because what packs say stays. Then empty
// rows come in, so that each trace has the place of its number.
Status place_by_trace_id(Table& table, const std::string& name) {
  const TableColumn* const found = table.find("trace_id");
  if (found == nullptr || found->integers.size() != table.row_count()) {
    return Status::damaged(name + ": no index that Signalbook wrote");
  }
  const std::vector<int64_t> trace_ids = found->integers;
  std::erase_if(table.columns, [](const TableColumn& column) { return column.name == "trace_id"; });
  for (TableColumn& column : table.columns) {
    TableColumn placed = {.name = column.name, .type = column.type};
    for (size_t row = 0; row < trace_ids.size(); ++row) {
      if (trace_ids[row] < static_cast<int64_t>(placed.size())) {
        return Status::damaged(name + ": its trace_ids do not go up; make it anew with signalbook index rebuild");
      }
      while (static_cast<int64_t>(placed.size()) < trace_ids[row]) placed.append_null();
      if (column.is_null(row)) {
        placed.append_null();
      } else if (column.type == ColumnType::text) {
        placed.append_text(std::move(column.texts[row]));
      } else {
        placed.append_integer(column.integers[row]);
      }
    }
    column = std::move(placed);
  }
  return Status();
}

}  // namespace

// ---- Traces by their paths ------------------------------------------------------------------------------------------

Result<std::shared_ptr<const PackedTraces::Identities>> PackedTraces::identities_of(const std::string& run_id) const {
  const auto make = [&]() -> Result<std::shared_ptr<Identities>> {
    const RunLocation* const run = find_run(run_id);
    if (run == nullptr) return Status::not_found("there is no run " + run_id);
    SB_ASSIGN_OR_RETURN(const CheckedIndex index, read_checked_index(files_, run->path));
    const std::string name = join_path(run->path, file::kStrategyIndex);
    SB_ASSIGN_OR_RETURN(Table table,
                        decode_table_file(index.bytes, name, {"trace_id", "strategy_id", "strategy_hash"}));
    SB_RETURN_IF_ERROR(place_by_trace_id(table, name));
    const TableColumn* const ids = text_column(table, "strategy_id");
    const TableColumn* const hashes = text_column(table, "strategy_hash");
    if (ids == nullptr || hashes == nullptr) return Status::damaged(name + ": no index that Signalbook wrote");
    return std::make_shared<Identities>(Identities{.strategy_ids = Texts(ids->texts), .hashes = Texts(hashes->texts)});
  };
  using Kept = std::shared_ptr<Identities>;
  SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Kept> kept,
                      identities_.get(run_id, make, [](const Kept& made) { return made->memory(); }));
  return std::shared_ptr<const Identities>(*kept);
}

Result<std::shared_ptr<const PackedTraces::Paths>> PackedTraces::paths_of(const std::string& run_id) const {
  const auto make = [&]() -> Result<std::shared_ptr<Paths>> {
    const RunLocation* const run = find_run(run_id);
    if (run == nullptr) return Status::not_found("there is no run " + run_id);
    SB_ASSIGN_OR_RETURN(const CheckedIndex index, read_checked_index(files_, run->path));
    const std::string name = join_path(run->path, file::kStrategyIndex);
    SB_ASSIGN_OR_RETURN(
        Table table,
        decode_table_file(index.bytes, name, {"trace_id", "trace_path", "strategy_hash", "pack", "row_count"}));
    SB_RETURN_IF_ERROR(place_by_trace_id(table, name));
    const TableColumn* const paths = text_column(table, "trace_path");
    const TableColumn* const hashes = text_column(table, "strategy_hash");
    const TableColumn* const packs = text_column(table, "pack");
    const TableColumn* const row_counts = table.find("row_count");
    if (paths == nullptr || hashes == nullptr || packs == nullptr || row_counts == nullptr) {
      return Status::damaged(name + ": no index of packs that Signalbook wrote");
    }
    auto made = std::make_shared<Paths>(Paths{.paths = Texts(paths->texts), .hashes = Texts(hashes->texts)});
    std::map<std::string, int32_t> numbers;
    made->places.reserve(paths->texts.size());
    for (size_t row = 0; row < paths->texts.size(); ++row) {
      if (!made->paths[row].empty()) made->places.emplace(made->paths[row], row);
      made->row_counts.push_back(row_counts->is_null(row) ? 0 : row_counts->integers[row]);
      if (packs->is_null(row)) {
        made->pack.push_back(-1);
        continue;
      }
      const auto [place, is_new] = numbers.emplace(packs->texts[row], static_cast<int32_t>(numbers.size()));
      if (is_new) made->packs.push_back(packs->texts[row]);
      made->pack.push_back(place->second);
    }
    return made;
  };
  using Kept = std::shared_ptr<Paths>;
  SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Kept> kept,
                      paths_.get(run_id, make, [](const Kept& paths) { return paths->memory(); }));
  return std::shared_ptr<const Paths>(*kept);
}

Result<PackedTraces::Matches> PackedTraces::match(const std::string& run_id, const std::string& pattern) const {
  SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Paths> paths, paths_of(run_id));
  std::vector<std::string> parts;
  for (const std::string_view part : split(pattern)) parts.emplace_back(part);
  Matches found;
  const bool is_any = parts.size() == 1 && parts[0] == "**";
  const bool has_any_depth = std::ranges::count(parts, "**") > 0;
  std::string_view known_directory;
  bool is_directory_match = false;
  for (size_t row = 0; row < paths->paths.size(); ++row) {
    const std::string_view path = paths->paths[row];
    if (path.empty()) continue;  // no trace has this number
    if (!is_any && has_any_depth) {
      if (!matches(parts, split(path))) continue;
    } else if (!is_any) {  // neighbours lie in the same directory
      const size_t end = path.rfind('/');
      const std::string_view directory = path.substr(0, end == std::string_view::npos ? 0 : end);
      if (row == 0 || directory != known_directory) {
        known_directory = directory;
        is_directory_match = !parts.empty() && matches(std::span(parts).first(parts.size() - 1), split(directory));
      }
      if (!is_directory_match || !matches_part(parts.back(), path.substr(end + 1))) continue;
    }
    if (paths->pack[row] < 0) {
      found.files.emplace_back(path);
    } else {
      add_trace(found.packed[paths->packs[static_cast<size_t>(paths->pack[row])]], static_cast<int64_t>(row));
    }
  }
  return found;
}

Result<std::optional<PackedTraces::Found>> PackedTraces::find(const std::string& run_id,
                                                              const std::string& trace_path) const {
  if (!has_packs(run_id)) return std::optional<Found>();
  SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Paths> paths, paths_of(run_id));
  const auto place = paths->places.find(trace_path);
  if (place == paths->places.end() || paths->pack[place->second] < 0) return std::optional<Found>();
  const size_t row = place->second;
  return std::optional(Found{.pack = paths->packs[static_cast<size_t>(paths->pack[row])],
                             .trace_id = static_cast<int64_t>(row),
                             .row_count = paths->row_counts[row]});
}

// ---- What rows of packs do not say ----------------------------------------------------------------------------------

Result<std::shared_ptr<const Bars>> PackedTraces::bars_of(const std::string& data_id) const {
  std::string run_id;
  {
    const std::lock_guard lock(mutex_);
    const auto run = run_of_data_.find(data_id);
    if (run != run_of_data_.end()) run_id = run->second;
  }
  const RunLocation* const run = find_run(run_id);
  if (run == nullptr) return Status::damaged("no run of packs has bars of data_id " + data_id);
  if (place_.confined_to.has_value()) {
    const Result<std::string> real_path = files_.absolute_path(join_path(place_.store_path, bars_path(data_id)));
    if (real_path.ok() && !real_path->starts_with(*place_.confined_to + "/")) {
      return Status::invalid(bars_path(data_id) + " leads out of the store " + *place_.confined_to);
    }
  }
  return bars_.get(
      data_id, [&] { return read_stored_bars(files_, run->path, data_id); },
      [](const Bars& bars) { return bars.size() * 6 * sizeof(double); });
}

// `take`: the row of a call, the bars and the bar's place in them.
template <typename Take>
Status PackedTraces::give_of_bars(const ValueFunction::Calls& calls, Take take) const {
  const std::vector<std::string_view>& data_ids = calls.columns[0].texts;
  const std::span<const int64_t> idx = calls.columns[1].integers;
  std::shared_ptr<const Bars> bars;
  for (size_t row = 0; row < calls.count; ++row) {
    const bool is_same = row > 0 && data_ids[row].data() == data_ids[row - 1].data();
    if (!is_same && (row == 0 || data_ids[row] != data_ids[row - 1])) {
      SB_ASSIGN_OR_RETURN(bars, bars_of(std::string(data_ids[row])));
    }
    const auto bar = static_cast<size_t>(idx[row]);
    if (bar >= bars->size()) {
      return Status::damaged(
          fmt::format("{}: a trace changes on bar {}, and there are {} bars; `signalbook verify` "
                      "tells more",
                      bars_path(data_ids[row]), idx[row], bars->size()));
    }
    take(row, *bars, bar);
  }
  return Status();
}

Status PackedTraces::give_of_traces(const ValueFunction::Calls& calls, bool gives_path,
                                    ValueFunction::Values& values) const {
  const std::vector<std::string_view>& run_ids = calls.columns[0].texts;
  const std::span<const int64_t> trace_ids = calls.columns[1].integers;
  const std::vector<std::string_view>& hashes = calls.columns[2].texts;
  const Texts* texts = nullptr;
  const Texts* known_hashes = nullptr;
  for (size_t row = 0; row < calls.count; ++row) {
    const bool is_same =
        row > 0 && (run_ids[row].data() == run_ids[row - 1].data() || run_ids[row] == run_ids[row - 1]);
    if (!is_same && gives_path) {
      SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Paths> paths, paths_of(std::string(run_ids[row])));
      texts = &paths->paths;
      known_hashes = &paths->hashes;
      values.owners.push_back(paths);
    } else if (!is_same) {
      SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Identities> of, identities_of(std::string(run_ids[row])));
      texts = &of->strategy_ids;
      known_hashes = &of->hashes;
      values.owners.push_back(of);
    }
    const auto trace = static_cast<size_t>(trace_ids[row]);
    if (is_same && trace_ids[row] == trace_ids[row - 1] && hashes[row] == hashes[row - 1]) {
      values.texts[row] = values.texts[row - 1];
      continue;
    }
    if (trace >= texts->size() || (*known_hashes)[trace] != hashes[row]) {
      return Status::damaged(
          fmt::format("a pack of {} has a trace {} of strategy {}, and the index another; "
                      "`signalbook verify` tells more",
                      run_ids[row], trace_ids[row], hashes[row]));
    }
    values.texts[row] = (*texts)[trace];
  }
  return Status();
}

Status PackedTraces::add_functions(Connection& connection) {
  const std::shared_ptr<const PackedTraces> self = shared_from_this();
  const std::vector<ColumnType> of_bar = {ColumnType::text, ColumnType::int64};
  const std::vector<ColumnType> of_trace = {ColumnType::text, ColumnType::int64, ColumnType::text};
  using Calls = ValueFunction::Calls;
  using Values = ValueFunction::Values;
  SB_RETURN_IF_ERROR(connection.add_value_function(
      kBarTime,
      {.parameters = of_bar, .result = ColumnType::timestamp, .values = [self](const Calls& calls, Values& to) {
         return self->give_of_bars(calls,
                                   [&](size_t row, const Bars& bars, size_t bar) { to.integers[row] = bars.ts[bar]; });
       }}));
  SB_RETURN_IF_ERROR(connection.add_value_function(
      kBarClose, {.parameters = of_bar, .result = ColumnType::real, .values = [self](const Calls& calls, Values& to) {
                    return self->give_of_bars(
                        calls, [&](size_t row, const Bars& bars, size_t bar) { to.reals[row] = bars.close[bar]; });
                  }}));
  for (const bool gives_path : {false, true}) {
    SB_RETURN_IF_ERROR(connection.add_value_function(gives_path ? kPathOfTrace : kStrategyOfTrace,
                                                     {.parameters = of_trace,
                                                      .result = ColumnType::text,
                                                      .values = [self, gives_path](const Calls& calls, Values& to) {
                                                        return self->give_of_traces(calls, gives_path, to);
                                                      }}));
  }
  return Status();
}

// ---- Their SQL ------------------------------------------------------------------------------------------------------

std::vector<std::vector<PackedRows>> group_packs(std::vector<PackedRows> packs) {
  std::vector<std::vector<PackedRows>> groups;
  std::map<std::string, size_t> group_of;
  for (PackedRows& rows : packs) {
    const PackOfRun& about = rows.pack.about;
    std::string key =
        fmt::format("{}/{}/{}/{}", static_cast<int>(about.kind), rows.pack.is_full, about.data_id, about.symbol);
    if (!rows.ranges.empty()) key = fmt::format("alone {}", groups.size());
    const auto [place, is_new] = group_of.emplace(key, groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(std::move(rows));
  }
  return groups;
}

PackedColumns packed_columns(const std::string& store_path, std::span<const PackedRows> packs) {
  const OpenedPack& first = packs.front().pack;
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> run_ids;  // of names that do not tell
  bool is_one_run = true;
  for (const PackedRows& rows : packs) {
    const PackOfRun& about = rows.pack.about;
    files.push_back(escape_glob(rows.pack.file));
    const std::string path = join_path(join_path(store_path, about.run_id), about.path);
    if (rows.pack.file != path) run_ids.emplace_back(rows.pack.file, about.run_id);
    is_one_run = is_one_run && about.run_id == first.about.run_id;
  }
  PackedColumns columns;
  columns.kind = first.about.kind;
  columns.run_id =
      is_one_run ? quote_sql_text(first.about.run_id) : choose_sql("filename", run_ids, run_id_of_file(store_path));
  const std::string data_id = quote_sql_text(first.about.data_id);
  const auto of_trace = [&](const char* function) {
    return fmt::format("{}({}, trace_id, strategy_hash)", function, columns.run_id);
  };
  columns.trace_path = of_trace(kPathOfTrace);
  columns.of = {
      {column::kIdx, "CAST(idx AS BIGINT)"},
      {column::kTs, first.is_full ? column::kTs : fmt::format("{}({}, idx)", kBarTime, data_id)},
      {column::kSymbol, first.is_full ? column::kSymbol : quote_sql_text(first.about.symbol)},
      {column::kValue, column::kValue},
      {column::kStrategy, first.is_full ? column::kStrategy : of_trace(kStrategyOfTrace)},
      {column::kPrice, first.is_full ? column::kPrice : fmt::format("coalesce(px, {}({}, idx))", kBarClose, data_id)},
      {column::kStrategyHash, column::kStrategyHash},
      {column::kMetadata, column::kMetadata}};
  columns.from = read_parquet_sql(files, is_one_run ? "" : ", filename = true");
  // A few ranges let DuckDB leave out row groups; more of them are a join.
  constexpr size_t kFewRanges = 16;
  std::vector<std::string> ranges;
  for (const TraceRange& range : packs.front().ranges) {
    ranges.push_back(packs.front().ranges.size() > kFewRanges ? fmt::format("[{}, {}]", range.first, range.last + 1)
                     : range.first == range.last              ? fmt::format("trace_id = {}", range.first)
                                                 : fmt::format("trace_id BETWEEN {} AND {}", range.first, range.last));
  }
  if (ranges.size() > kFewRanges) {
    columns.from += fmt::format(" WHERE trace_id IN (SELECT unnest(range(r[1], r[2])) FROM (SELECT unnest([{}]) AS r))",
                                join_sql(ranges, ", "));
  } else if (!ranges.empty()) {
    columns.from += " WHERE " + join_sql(ranges, " OR ");
  }
  return columns;
}

}  // namespace signalbook
