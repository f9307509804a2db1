#include "query/view_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "query/catalog.h"
#include "query/sql_views.h"
#include "query/trades_view.h"
#include "store/metric_set.h"
#include "store/run_reader.h"
#include "store/table_file.h"

namespace signalbook {

namespace {

std::string quoted_list(const std::vector<std::string>& texts) { return "[" + quoted_sql_list(texts) + "]"; }

}  // namespace

const std::vector<std::string>& ViewBuilder::view_names() {
  static const std::vector<std::string> names = {"strategies", "components", "runs",    "traces",
                                                 "trades",     "bars",       "metrics", "hash_history"};
  return names;
}

Result<std::string> ViewBuilder::view(const std::string& name, Connection& connection) {
  if (const auto written = views_.find(name); written != views_.end()) return written->second;
  const auto write = [&]() -> Result<std::string> {
    if (name == "bars" || name == "runs") return name == "bars" ? bars() : runs();
    SB_ASSIGN_OR_RETURN(const Sources* const rows, scope_sources(connection));
    if (name == "strategies") return table_view_sql(RunTable::strategies, place_.store_path, rows->strategies);
    if (name == "trades") return trades(connection);
    if (name == "components") return table_view_sql(RunTable::components, place_.store_path, rows->components);
    if (name == "metrics") return metrics(table_view_sql(RunTable::strategies, place_.store_path, rows->strategies));
    return name == "hash_history" ? history(connection) : traces(connection);
  };
  SB_ASSIGN_OR_RETURN(views_[name], write());
  return views_[name];
}

Result<std::optional<std::string>> ViewBuilder::path_view(const std::string& path, Connection& connection) {
  const std::string key = "path " + path;
  if (const auto written = views_.find(key); written != views_.end()) return std::optional(written->second);
  SB_ASSIGN_OR_RETURN(const std::optional<PathArgument> argument, path_argument(path, connection));
  if (!argument) return std::optional<std::string>();
  if (argument->kind != QueryPaths::Kind::files) {
    SB_ASSIGN_OR_RETURN(views_[key], rows_of_runs(argument->kind, argument->runs, connection));
  } else if (!argument->packs.empty()) {
    views_[key] = packed_rows_sql(argument->packs, std::nullopt);
    if (!argument->files.empty()) {
      views_[key] = "SELECT * FROM " + read_parquet_sql(argument->files, ", union_by_name = true") +
                    " UNION ALL BY NAME " + views_[key];
    }
  } else {
    const std::string files =
        argument->files.size() == 1 ? quote_sql_text(argument->files[0]) : quoted_list(argument->files);
    views_[key] = "SELECT * FROM read_parquet(" + files + ", hive_partitioning = false" +
                  (argument->match_by_name ? ", union_by_name = true)" : ")");
  }
  return std::optional(views_[key]);
}

Result<std::optional<std::string>> ViewBuilder::paths_view(const std::vector<std::string>& paths,
                                                           Connection& connection) {
  if (paths.size() == 1) return path_view(paths[0], connection);
  std::set<std::string> run_ids;
  std::optional<QueryPaths::Kind> kind;
  for (const std::string& path : paths) {
    SB_ASSIGN_OR_RETURN(const std::optional<PathArgument> argument, path_argument(path, connection));
    if (!argument.has_value() || argument->runs.empty()) return std::optional<std::string>();
    if (kind.value_or(argument->kind) != argument->kind) return std::optional<std::string>();
    kind = argument->kind;
    for (const RunLocation& run : argument->runs) {
      if (!run_ids.insert(run.run_id).second) return std::optional<std::string>();
    }
  }
  SB_ASSIGN_OR_RETURN(std::string select,
                      rows_of_runs(*kind, runs_by_id({run_ids.begin(), run_ids.end()}), connection));
  return std::optional(std::move(select));
}

Result<std::optional<ViewBuilder::PathArgument>> ViewBuilder::path_argument(const std::string& path,
                                                                            Connection& connection) {
  const std::optional<QueryPaths::Meaning> meaning = paths_.resolve(path);
  if (!meaning.has_value()) return std::optional<PathArgument>();
  PathArgument argument = {.kind = meaning->kind};
  argument.files = meaning->patterns;
  if (meaning->kind != QueryPaths::Kind::files) argument.runs = runs_by_id(meaning->run_ids);
  if (meaning->kind == QueryPaths::Kind::index) {
    for (const std::string& run_id : meaning->run_ids) argument.files.push_back(index_path(run_id));
  }
  for (const RunLocation& run : runs_by_id(meaning->pattern_run_ids)) {
    SB_ASSIGN_OR_RETURN(const bool is_known, has_known_format(run));
    argument.match_by_name = argument.match_by_name || !is_known;
  }
  if (!meaning->in_runs.empty() || meaning->covers_runs) SB_RETURN_IF_ERROR(add_packs(connection, *meaning, argument));
  return std::optional(std::move(argument));
}

// What of a path's traces lies in packs. Where a run has packs, the path means traces as the index names them; where it
// means none, it may be that of a pack itself.
Status ViewBuilder::add_packs(Connection& connection, const QueryPaths::Meaning& meaning, PathArgument& argument) {
  const auto is_in_scope = [&](const QueryPaths::InRun& in_run) {
    return std::ranges::count(place_.scope_runs, in_run.run_id, &RunLocation::run_id) > 0;
  };
  const Status found = find_packs(connection, !std::ranges::all_of(meaning.in_runs, is_in_scope));
  if (!found.ok()) return meaning.pattern_run_ids.empty() ? found : Status();  // then the files that there are
  if (meaning.covers_runs) {
    const auto has_packs = [&](const RunLocation& run) { return packed_->has_packs(run.run_id); };
    if (std::ranges::none_of(place_.scope_runs, has_packs)) return Status();
    return Status::invalid(
        "a pattern whose ** stands for runs as well does not reach traces in packs: name the runs, as in "
        "'results/*/traces/**/*.parquet'");
  }
  std::map<std::string, PackedTraces::Matches> matches;
  std::vector<PackOfRun> packs;
  for (const auto& [run_id, pattern] : meaning.in_runs) {
    if (!packed_->has_packs(run_id)) continue;
    SB_ASSIGN_OR_RETURN(PackedTraces::Matches of_run, packed_->match(run_id, pattern));
    if (of_run.packed.empty() && of_run.files.empty()) continue;
    for (const PackOfRun& pack : packed_->packs_of(run_id)) {
      if (of_run.packed.contains(pack.path)) packs.push_back(pack);
    }
    matches.emplace(run_id, std::move(of_run));
  }
  if (matches.empty()) return Status();
  SB_RETURN_IF_ERROR(packed_->open(connection, tables_, packs));
  std::vector<std::string> files;
  for (size_t i = 0; i < meaning.pattern_run_ids.size(); ++i) {
    if (!matches.contains(meaning.pattern_run_ids[i])) files.push_back(argument.files[i]);
  }
  for (auto& [run_id, of_run] : matches) {
    for (const std::string& path : of_run.files) {
      files.push_back(escape_glob(join_path(run_directory(run_id), path)));
    }
    for (auto& [pack, ranges] : of_run.packed) {
      SB_ASSIGN_OR_RETURN(argument.packs.emplace_back(), packed_->rows_of(run_id, pack, std::move(ranges)));
    }
  }
  argument.files = std::move(files);
  return Status();
}

std::string ViewBuilder::packed_rows_sql(const std::vector<PackedRows>& packs,
                                         const std::optional<std::string>& filename) const {
  std::vector<std::string> selects;
  for (const std::vector<PackedRows>& group : group_packs(packs)) {
    const PackedColumns columns = packed_columns(place_.store_path, group);
    std::vector<std::string> values;
    for (const ViewColumn& column : trace_columns()) {
      const std::string& value = columns.of.at(column.name);
      values.push_back((column.name == column::kValue ? value : cast_sql(value, column.type)) + " AS " + column.name);
    }
    if (filename.has_value()) {
      values.push_back(fmt::format("{} || '/' || {} || '/' || {} AS {}", quote_sql_text(place_.store_path),
                                   columns.run_id, columns.trace_path, quote_sql_name(*filename)));
    }
    selects.push_back("SELECT " + join_sql(values, ", ") + " FROM " + columns.from);
  }
  return join_sql(selects, " UNION ALL BY NAME ");
}

Status ViewBuilder::open_packs(Connection& connection, const std::set<std::string>& run_ids) {
  const auto is_in_scope = [&](const std::string& run_id) {
    return std::ranges::count(place_.scope_runs, run_id, &RunLocation::run_id) > 0;
  };
  SB_RETURN_IF_ERROR(find_packs(connection, !std::ranges::all_of(run_ids, is_in_scope)));
  std::vector<PackOfRun> packs;
  for (const std::string& run_id : run_ids) std::ranges::move(packed_->packs_of(run_id), std::back_inserter(packs));
  packed_->open_each(connection, tables_, packs);
  return Status();
}

Status ViewBuilder::find_packs(Connection& connection, bool of_store) {
  const Sources* sources = nullptr;
  if (of_store) {
    SB_ASSIGN_OR_RETURN(sources, store_sources(connection));
  } else {
    SB_ASSIGN_OR_RETURN(sources, scope_sources(connection));
  }
  return packed_->load(connection, tables_.usable(of_store ? place_.all_runs : place_.scope_runs),
                       table_view_sql(RunTable::strategies, place_.store_path, sources->strategies));
}

std::string ViewBuilder::index_file(const std::string& run_id) const {
  return tables_.known_file(run_id, file::kStrategyIndex);
}

// By its path, not pinned: it goes into a call with options of the user's, such as filename, that show what was read.
std::string ViewBuilder::index_path(const std::string& run_id) const {
  return escape_glob(join_path(run_directory(run_id), file::kStrategyIndex));
}

std::vector<RunLocation> ViewBuilder::runs_by_id(const std::vector<std::string>& run_ids) const {
  std::vector<RunLocation> found;
  size_t i = 0;  // both are in the same order
  for (const RunLocation& run : place_.all_runs) {
    if (i == run_ids.size() || run.run_id != run_ids[i]) continue;
    found.push_back(run);
    ++i;
  }
  return found;
}

// What has a run.json was written in a format that this program knows; its files have the columns of that format.
Result<bool> ViewBuilder::has_known_format(const RunLocation& run) {
  SB_ASSIGN_OR_RETURN(const std::optional<RunDescription> description, tables_.describe(run));
  return description.has_value();
}

// Which runs in scope can be read, and from where. In the scope of a run, one that cannot is an error.
Result<const ViewBuilder::Sources*> ViewBuilder::scope_sources(Connection& connection) {
  if (place_.is_store) return store_sources(connection);
  if (!scope_sources_.has_value()) {
    SB_ASSIGN_OR_RETURN(scope_sources_, read_runs(connection, place_.scope_runs));
  }
  return &*scope_sources_;
}

// The same of the whole store, from its catalogue. What cannot be read is left out.
Result<const ViewBuilder::Sources*> ViewBuilder::store_sources(Connection& connection) {
  if (store_sources_.has_value()) return &*store_sources_;
  Sources sources;
  std::vector<RunLocation> missing = place_.all_runs;
  // A few runs are read as they are: nothing is written into a store that does not gain by it.
  constexpr size_t kFewRuns = 20;
  if (place_.all_runs.size() > kFewRuns) SB_RETURN_IF_ERROR(read_catalog(sources, missing));
  if (!missing.empty() || sources.strategies.empty()) {
    SB_ASSIGN_OR_RETURN(Sources more, read_runs(connection, missing));
    std::ranges::move(more.strategies, std::back_inserter(sources.strategies));
    std::ranges::move(more.components, std::back_inserter(sources.components));
  }
  store_sources_ = std::move(sources);
  return &*store_sources_;
}

// What the catalogue has, after a refresh where runs have changed. `missing` are those that it does not have, because
// somebody else refreshes it at the moment, or it cannot be written.
Status ViewBuilder::read_catalog(Sources& sources, std::vector<RunLocation>& missing) {
  SB_ASSIGN_OR_RETURN(Catalog catalog, Catalog::open(files_, place_.store_path));
  SB_ASSIGN_OR_RETURN(Catalog::Content content, catalog.content(place_.all_runs));
  if (!content.history_sql.has_value() && catalog.refresh(false, false).ok()) {
    SB_ASSIGN_OR_RETURN(content, catalog.content(place_.all_runs));
  }
  sources = {.strategies = std::move(content.strategies),
             .components = std::move(content.components),
             .history_sql = std::move(content.history_sql)};
  missing = std::move(content.missing);
  for (const auto& [run_id, why] : content.left_out) tables_.leave_out(run_id, Status::damaged(why));
  return Status();
}

// Runs from their own files. An error when not one of them can be read.
Result<ViewBuilder::Sources> ViewBuilder::read_runs(Connection& connection, std::span<const RunLocation> runs) {
  // Every byte of an index is vouched for by its run. Of a very large one, or very many, that would be all that a
  // query does: then sizes are compared, and a refresh of the catalogue compares the rest.
  constexpr int64_t kMostChecked = 32 << 20;
  int64_t bytes = 0;
  for (const RunLocation& run : runs) {
    SB_ASSIGN_OR_RETURN(const auto stamp, files_.stamp(join_path(run.path, file::kStrategyIndex)));
    if (stamp.has_value()) bytes += stamp->size;
  }
  const FileCheck check = bytes <= kMostChecked ? FileCheck::digest : FileCheck::size;
  Sources sources;
  SB_ASSIGN_OR_RETURN(auto components, tables_.group(connection, RunTable::components, runs, check));
  SB_ASSIGN_OR_RETURN(sources.strategies, tables_.group(connection, RunTable::strategies, runs, check));
  for (TableGroup& group : components) {
    std::erase_if(group.runs, [&](const ViewRun& run) { return tables_.left_out().contains(run.run_id); });
    if (!group.runs.empty()) sources.components.push_back(std::move(group));
  }
  if (sources.strategies.empty()) SB_RETURN_IF_ERROR(tables_.first_failure(runs));
  return sources;
}

// The indexes or components of some runs that a path names.
Result<std::string> ViewBuilder::rows_of_runs(QueryPaths::Kind kind, const std::vector<RunLocation>& runs,
                                              Connection& connection) {
  const RunTable table = kind == QueryPaths::Kind::index ? RunTable::strategies : RunTable::components;
  Sources some;
  const Sources* rows = &some;
  if (runs.size() == place_.all_runs.size()) {
    SB_ASSIGN_OR_RETURN(rows, store_sources(connection));
  } else {
    SB_ASSIGN_OR_RETURN(some, read_runs(connection, runs));
  }
  return table_view_sql(table, place_.store_path, table == RunTable::strategies ? rows->strategies : rows->components);
}

Result<std::string> ViewBuilder::history(Connection& connection) {
  SB_ASSIGN_OR_RETURN(const Sources* const rows, scope_sources(connection));
  if (rows->history_sql.has_value()) return *rows->history_sql;
  return history_sql(place_.store_path, rows->strategies, tables_.facts(place_.scope_runs), "");
}

// The trace files of a run by kind (signals, classifiers), as its index names them: a stray file is none of them, and
// one that is missing is damage, never a row less. Where an index names none (ours always does), whatever lies there.
Result<std::array<std::vector<std::string>, 2>> ViewBuilder::trace_files(const RunLocation& run) {
  std::array<std::vector<std::string>, 2> files;
  SB_ASSIGN_OR_RETURN(const bool is_known, has_known_format(run));
  const std::string directory = run_directory(run.run_id);
  Table table;
  if (is_known) {
    SB_ASSIGN_OR_RETURN(const CheckedIndex index, read_checked_index(files_, directory));
    const std::string index_name = join_path(run.path, file::kStrategyIndex);
    SB_ASSIGN_OR_RETURN(table, decode_table_file(index.bytes, index_name, {"trace_path", "kind", "pack"}));
  }
  const TableColumn* const paths = table.find("trace_path");
  const TableColumn* const kinds = table.find("kind");
  const TableColumn* const packs = table.find("pack");
  if (paths == nullptr || kinds == nullptr) {
    const char* const patterns[] = {"traces/*/signals/*/*.parquet", "traces/*/classifiers/*/*.parquet"};
    for (size_t kind = 0; kind < 2; ++kind) {
      if (!paths_.has_files(run.run_id, patterns[kind])) continue;
      files[kind].push_back(join_path(escape_glob(directory), patterns[kind]));
    }
    return files;
  }
  std::map<std::string, std::set<std::string>> present;  // directory -> files in it
  for (size_t row = 0; row < paths->texts.size(); ++row) {
    if (packs != nullptr && !packs->is_null(row)) continue;
    const std::string parent = join_path(directory, parent_path(paths->texts[row]));
    const auto [listed, is_new] = present.try_emplace(parent);
    if (is_new) {
      const auto entries = files_.list_directory(parent);
      if (!entries.ok() && entries.status().code() != StatusCode::not_found) return entries.status();
      if (entries.ok()) {
        for (const DirectoryEntry& entry : *entries) {
          if (!entry.is_directory) listed->second.insert(entry.name);
        }
      }
    }
    if (!listed->second.contains(file_name_of(paths->texts[row]))) {
      return Status::damaged(
          fmt::format("{}: the trace is missing; restore it from a copy", join_path(run.path, paths->texts[row])));
    }
    files[kinds->texts[row] == "classifier" ? 1 : 0].push_back(escape_glob(join_path(directory, paths->texts[row])));
  }
  // The index was read before, for packs: somebody may have laid the run out anew since then.
  const std::optional<int64_t> known = packed_->file_count(run.run_id);
  if (known && *known != std::ssize(files[0]) + std::ssize(files[1])) {
    return Status::damaged(fmt::format(
        "{}: it is being packed or unpacked, or its index does not agree with itself; ask again", run.path));
  }
  return files;
}

// What our own writer wrote has the columns of the format; of older files we look what there is.
Result<std::string> ViewBuilder::traces(Connection& connection) {
  std::vector<TraceSource> sources(4);
  for (size_t i = 0; i < sources.size(); ++i) {
    sources[i].classifiers = i % 2 == 1;
    sources[i].known_format = i < 2;
  }
  SB_RETURN_IF_ERROR(find_packs(connection, false));
  std::vector<PackOfRun> packs;
  for (const RunLocation& run : tables_.usable(place_.scope_runs)) {
    std::ranges::move(packed_->packs_of(run.run_id), std::back_inserter(packs));
    if (packed_->has_packs(run.run_id) && !packed_->has_files(run.run_id)) continue;
    SB_ASSIGN_OR_RETURN(const bool is_known, has_known_format(run));
    SB_ASSIGN_OR_RETURN(const auto files, trace_files(run));
    for (size_t kind = 0; kind < 2; ++kind) {
      std::vector<std::string>& patterns = sources[(is_known ? 0 : 2) + kind].patterns;
      patterns.insert(patterns.end(), files[kind].begin(), files[kind].end());
    }
  }
  std::erase_if(sources, [](const TraceSource& source) { return source.patterns.empty(); });
  for (TraceSource& source : sources) {
    if (source.known_format) continue;
    SB_ASSIGN_OR_RETURN(
        const TextRows columns,
        connection.fetch("SELECT column_name FROM (DESCRIBE SELECT * FROM read_parquet(" +
                         quoted_list(source.patterns) + ", hive_partitioning = false, union_by_name = true))"));
    for (const std::vector<std::string>& column : columns) source.columns.push_back(column[0]);
  }
  SB_RETURN_IF_ERROR(packed_->open(connection, tables_, packs));
  std::vector<PackedRows> rows;
  for (const PackOfRun& pack : packs) {
    SB_ASSIGN_OR_RETURN(rows.emplace_back(), packed_->all_rows_of(pack));
  }
  std::vector<PackedColumns> packed;
  for (const std::vector<PackedRows>& group : group_packs(std::move(rows))) {
    packed.push_back(packed_columns(place_.store_path, group));
  }
  return traces_sql(place_.store_path, sources, packed);
}

// The sets are those that run.json names: what a removal or an analysis that died has left is none of them.
Result<std::string> ViewBuilder::metrics(const std::string& strategies_sql) {
  SB_ASSIGN_OR_RETURN(const std::vector<DescribedRun> described, describe_scope());
  std::vector<MetricSetFile> sets;
  for (const auto& [run, description] : described) {
    if (!description.has_value()) continue;
    for (const RunDescription::File& entry : description->files) {
      const std::optional<std::string> name = metric_set_name(entry.path);
      if (!name.has_value()) continue;
      Result<std::string> file = tables_.checked_file({.run_id = run.run_id, .path = run_directory(run.run_id)},
                                                      entry.path, FileCheck::digest);
      if (!file.ok()) return file.status().with("; or make it anew: signalbook analyze");
      const std::string path = join_path(run_directory(run.run_id), entry.path);
      SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(*file));
      if (!exists) continue;  // removed since then, and run.json does not name it any more
      sets.push_back({.run_id = run.run_id, .name = *name, .path = path, .file = *std::move(file)});
    }
  }
  return metrics_sql(place_.store_path, strategies_sql, sets);
}

Result<std::string> ViewBuilder::trades(Connection& connection) {
  SB_ASSIGN_OR_RETURN(const std::string strategies, view("strategies", connection));
  TradesPlace place = {.runs = place_.scope_runs, .confined_to = std::nullopt, .strategies_sql = strategies};
  if (place_.confined) place.confined_to = place_.store_path;
  SB_RETURN_IF_ERROR(prepare_trades(connection, files_, place));
  return trades_sql("0");
}

Result<std::string> ViewBuilder::bars() {
  SB_ASSIGN_OR_RETURN(const std::vector<DescribedRun> described, describe_scope());
  std::map<std::string, std::string> run_of;  // data_id -> a run that refers to it
  for (const auto& [run, description] : described) {
    if (!description.has_value()) continue;
    for (const RunDescription::Feed& feed : description->feeds) {
      if (!feed.data_id.empty()) run_of.emplace(feed.data_id, run.run_id);
    }
  }
  std::vector<std::string> paths;
  for (const auto& [data_id, run_id] : run_of) {
    const std::string name = join_path(file::kBarsDirectory, data_id + ".parquet");
    const std::string path = join_path(place_.store_path, name);
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path));
    if (!exists) {
      return Status::damaged(fmt::format("{}: the bars of {} are missing; put that file back, or record the run again",
                                         join_path(place_.shown_store_path, name), run_id));
    }
    paths.push_back(escape_glob(path));
  }
  return bars_sql(paths);
}

// In a store, runs whose description cannot be read are left out.
Result<std::vector<DescribedRun>> ViewBuilder::describe_scope() {
  std::vector<DescribedRun> described;
  for (const RunLocation& run : tables_.usable(place_.scope_runs)) {
    Result<std::optional<RunDescription>> description = tables_.describe(run);
    if (!description.ok() && !place_.is_store) return description.status();
    if (!description.ok()) {
      tables_.leave_out(run.run_id, description.status());
      continue;
    }
    described.push_back({.run = {.run_id = run.run_id, .path = run.path}, .description = *std::move(description)});
  }
  return described;
}

Result<std::string> ViewBuilder::runs() {
  SB_ASSIGN_OR_RETURN(const std::vector<DescribedRun> described, describe_scope());
  return runs_sql(described);
}

}  // namespace signalbook
