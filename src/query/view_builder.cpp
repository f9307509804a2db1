#include "query/view_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "format/trace_schema.h"
#include "query/sql_views.h"
#include "store/run_reader.h"
#include "store/table_file.h"

namespace signalbook {

namespace {

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "[" : ", ") + quote_sql_text(text);
  return list + "]";
}

}  // namespace

const std::vector<std::string>& ViewBuilder::view_names() {
  static const std::vector<std::string> names = {"strategies", "traces", "bars", "runs"};
  return names;
}

Result<std::string> ViewBuilder::view(const std::string& name, Connection& connection) {
  if (const auto written = views_.find(name); written != views_.end()) return written->second;
  const auto write = [&]() -> Result<std::string> {
    if (name == "strategies") return strategies(place_.scope_runs, connection);
    if (name == "traces") return traces(connection);
    return name == "bars" ? bars() : runs();
  };
  SB_ASSIGN_OR_RETURN(views_[name], write());
  return views_[name];
}

Result<std::optional<std::string>> ViewBuilder::path_view(const std::string& path, Connection& connection) {
  const std::string key = "path " + path;
  if (const auto written = views_.find(key); written != views_.end()) return std::optional(written->second);
  SB_ASSIGN_OR_RETURN(const std::optional<PathArgument> argument, path_argument(path));
  if (!argument) return std::optional<std::string>();
  if (!argument->index_of.empty()) {
    SB_ASSIGN_OR_RETURN(views_[key], strategies(argument->index_of, connection));
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
  for (const std::string& path : paths) {
    SB_ASSIGN_OR_RETURN(const std::optional<PathArgument> argument, path_argument(path));
    if (!argument.has_value() || argument->index_of.empty()) return std::optional<std::string>();
    for (const RunLocation& run : argument->index_of) {
      if (!run_ids.insert(run.run_id).second) return std::optional<std::string>();
    }
  }
  SB_ASSIGN_OR_RETURN(std::string select, strategies(runs_by_id({run_ids.begin(), run_ids.end()}), connection));
  return std::optional(std::move(select));
}

Result<std::optional<ViewBuilder::PathArgument>> ViewBuilder::path_argument(const std::string& path) {
  const std::optional<QueryPaths::Meaning> meaning = paths_.resolve(path);
  if (!meaning.has_value()) return std::optional<PathArgument>();
  PathArgument argument = {.kind = meaning->kind, .index_of = {}, .files = meaning->patterns, .match_by_name = false};
  if (meaning->kind == QueryPaths::Kind::index) {
    argument.index_of = runs_by_id(meaning->run_ids);
    for (const std::string& run_id : meaning->run_ids) argument.files.push_back(index_path(run_id));
  }
  for (const RunLocation& run : runs_by_id(meaning->pattern_run_ids)) {
    SB_ASSIGN_OR_RETURN(const bool is_known, has_known_format(run));
    argument.match_by_name = argument.match_by_name || !is_known;
  }
  return std::optional(std::move(argument));
}

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

// run.json; nothing where there is none.
Result<std::optional<RunDescription>> ViewBuilder::describe_run(const RunLocation& run) {
  const auto known = run_descriptions_.find(run.run_id);
  if (known != run_descriptions_.end()) return known->second;
  const std::string path = join_path(run.path, file::kRunDescription);
  std::optional<RunDescription> description;
  const Result<std::string> text = files_.read_file(path);
  if (text.ok()) {
    SB_ASSIGN_OR_RETURN(description, decode_run_description(*text, path));
  } else if (text.status().code() != StatusCode::not_found) {
    return text.status();
  }
  return run_descriptions_.emplace(run.run_id, std::move(description)).first->second;
}

// What has a run.json was written in a format that this program knows; its files have the columns of that format.
Result<bool> ViewBuilder::has_known_format(const RunLocation& run) {
  SB_ASSIGN_OR_RETURN(const std::optional<RunDescription> description, describe_run(run));
  return description.has_value();
}

// Indexes with the same columns are read together, and only the first of them is described.
Result<std::string> ViewBuilder::strategies(const std::vector<RunLocation>& runs, Connection& connection) {
  // Every byte of an index is vouched for by its run. Of very many runs that would be all that a query does.
  constexpr size_t kMostChecked = 100;
  for (size_t i = 0; i < runs.size() && runs.size() <= kMostChecked; ++i) {
    SB_ASSIGN_OR_RETURN(const std::optional<RunDescription> description, describe_run(runs[i]));
    if (description.has_value()) SB_RETURN_IF_ERROR(read_checked_index(files_, runs[i].path).status());
  }
  std::map<std::string, std::string> signatures;  // index file -> digest of its columns
  if (runs.size() > 1) {
    std::vector<std::string> indexes;
    for (const RunLocation& run : runs) indexes.push_back(index_path(run.run_id));
    SB_ASSIGN_OR_RETURN(const TextRows rows,
                        connection.fetch("SELECT file_name, md5(string_agg(concat_ws(',', name, type, type_length, "
                              "repetition_type, num_children, converted_type, logical_type), ';' ORDER BY name, type)) "
                              "FROM parquet_schema(" +
                              quoted_list(indexes) + ") GROUP BY file_name"));
    for (const std::vector<std::string>& row : rows) signatures[row[0]] = row[1];
  }
  std::vector<IndexGroup> groups;
  std::map<std::string, size_t> group_of;
  for (const RunLocation& run : runs) {
    const std::string signature = signatures[join_path(run_directory(run.run_id), file::kStrategyIndex)];
    const auto [place, is_new] = group_of.emplace(signature, groups.size());
    if (is_new) {
      SB_ASSIGN_OR_RETURN(const TextRows columns,
                          connection.fetch("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(" +
                                quote_sql_text(index_path(run.run_id)) + ", hive_partitioning = false))"));
      groups.emplace_back();
      for (const std::vector<std::string>& column : columns) groups.back().columns.push_back({column[0], column[1]});
    }
    groups[place->second].runs.push_back({.run_id = run.run_id, .path = run.path});
  }
  return strategies_sql(place_.store_path, groups);
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
    SB_ASSIGN_OR_RETURN(table, decode_table_file(index.bytes, index_name, {"trace_path", "kind"}));
  }
  const TableColumn* const paths = table.find("trace_path");
  const TableColumn* const kinds = table.find("kind");
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
  return files;
}

// What our own writer wrote has the columns of the format; of older files we look what there is.
Result<std::string> ViewBuilder::traces(Connection& connection) {
  std::vector<TraceSource> sources(4);
  for (size_t i = 0; i < sources.size(); ++i) {
    sources[i].classifiers = i % 2 == 1;
    sources[i].known_format = i < 2;
  }
  for (const RunLocation& run : place_.scope_runs) {
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
    SB_ASSIGN_OR_RETURN(const TextRows columns,
                        connection.fetch("SELECT column_name FROM (DESCRIBE SELECT * FROM read_parquet(" +
                              quoted_list(source.patterns) + ", hive_partitioning = false, union_by_name = true))"));
    for (const std::vector<std::string>& column : columns) source.columns.push_back(column[0]);
  }
  return traces_sql(place_.store_path, sources);
}

Result<std::string> ViewBuilder::bars() {
  std::map<std::string, std::string> run_of;  // data_id -> a run that refers to it
  for (const RunLocation& run : place_.scope_runs) {
    SB_ASSIGN_OR_RETURN(const std::optional<RunDescription> description, describe_run(run));
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

Result<std::string> ViewBuilder::runs() {
  std::vector<DescribedRun> described;
  for (const RunLocation& run : place_.scope_runs) {
    SB_ASSIGN_OR_RETURN(std::optional<RunDescription> description, describe_run(run));
    described.push_back({.run = {.run_id = run.run_id, .path = run.path}, .description = std::move(description)});
  }
  return runs_sql(described);
}

}  // namespace signalbook
