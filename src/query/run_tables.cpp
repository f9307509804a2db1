#include "query/run_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/trace_schema.h"

namespace signalbook {

namespace {

// A Parquet file with none of them is no table of strategies, whatever its name.
constexpr const char* kNeededColumns = "('strategy_hash', 'strategy_id', 'trace_path')";

}  // namespace

std::string RunTables::path_of(const std::string& run_id, const std::string& name) const {
  return join_path(join_path(store_path_, run_id), name);
}

std::string RunTables::known_file(const std::string& run_id, const std::string& name) const {
  const std::string path = path_of(run_id, name);
  const auto known = known_.find(path);
  return known == known_.end() ? path : known->second.name;
}

Result<std::optional<RunDescription>> RunTables::describe(const RunLocation& run) {
  const auto known = descriptions_.find(run.run_id);
  if (known != descriptions_.end()) return known->second;
  const std::string path = join_path(run.path, file::kRunDescription);
  std::optional<RunDescription> description;
  const Result<std::string> text = files_.read_file(path);
  if (text.ok()) {
    SB_ASSIGN_OR_RETURN(description, decode_run_description(*text, path));
  } else if (text.status().code() != StatusCode::not_found) {
    return text.status();
  }
  return descriptions_.emplace(run.run_id, std::move(description)).first->second;
}

// A file as it is opened, and what run.json says of it.
Status RunTables::compare(const RunLocation& run, const std::string& name, const std::string& opened, FileCheck check) {
  const auto compare = [&]() -> Status {
    SB_ASSIGN_OR_RETURN(const std::optional<RunDescription> description, describe(run));
    if (!description.has_value()) return Status();
    return check_run_file(files_, run.path, *description, name, check, opened);
  };
  const bool was_known = descriptions_.contains(run.run_id);
  const Status status = compare();
  if (status.code() != StatusCode::damaged) return status;
  descriptions_.erase(run.run_id);  // older than the file, perhaps
  return was_known ? compare() : status;
}

Result<std::string> RunTables::checked_file(const RunLocation& run, const std::string& name, FileCheck check) {
  const std::string path = path_of(run.run_id, name);
  const auto known = known_.find(path);
  if (known != known_.end() && (known->second.check == FileCheck::digest || check == FileCheck::size)) {
    return known->second.name;
  }
  const Result<std::string> real_path = files_.absolute_path(path);
  if (real_path.ok() && !real_path->starts_with(store_path_ + "/")) {
    return Status::invalid(run.path + " leads out of the store by a link: copy the run into the store");
  }
  std::string opened = path;
  const Status status = look_at_run_files(files_, run.path, {name}, [&]() -> Status {
    pinned_->unpin(opened);
    opened = pinned_->pin(path);
    return compare(run, name, opened, check);
  });
  if (!status.ok()) {
    pinned_->unpin(opened);
    return status;
  }
  // One that is not pinned may be another one when it is asked for again.
  if (opened != path) known_[path] = {.name = opened, .check = check};
  return opened;
}

// A digest of the columns of each file. DuckDB reads a list of files as a whole, so a list with a bad one is halved
// until that stands alone.
void RunTables::read_signatures(Connection& connection, RunTable table, std::span<const ViewRun> runs,
                                std::map<std::string, std::string>& signatures) {
  if (runs.empty()) return;
  std::string list;
  for (const ViewRun& run : runs) list += (list.empty() ? "[" : ", ") + quote_sql_text(escape_glob(run.file));
  const Result<TextRows> rows = connection.fetch(
      "SELECT file_name, md5(string_agg(concat_ws(',', name, type, type_length, repetition_type, num_children, "
      "converted_type, logical_type), ';' ORDER BY name, type)), bool_or(lower(name) IN " +
      std::string(kNeededColumns) + ")::VARCHAR FROM parquet_schema(" + list + "]) GROUP BY file_name");
  if (rows.ok()) {
    std::map<std::string, std::vector<std::string>> by_file;
    for (const std::vector<std::string>& row : *rows) by_file[row[0]] = row;
    for (const ViewRun& run : runs) {
      const std::vector<std::string>& row = by_file[run.file];
      if (row.size() == 3 && row[2] == "true") {
        signatures[run.run_id] = row[1];
      } else {
        leave_out(run.run_id,
                  Status::damaged(fmt::format("{}/{} has no column strategy_hash, strategy_id or trace_path", run.path,
                                              file_of(table))));
      }
    }
  } else if (runs.size() == 1) {
    leave_out(runs.front().run_id, Status::damaged(rows.status().message()));
  } else {
    read_signatures(connection, table, runs.first(runs.size() / 2), signatures);
    read_signatures(connection, table, runs.subspan(runs.size() / 2), signatures);
  }
}

// Marks parameters with integers that no double holds; by the statistics in the files, so that none is read for it.
void RunTables::find_large_integers(Connection& connection, TableGroup& group) const {
  const auto is_suspect = [](const ViewColumn& c) { return is_parameter(c.name) && is_wide_integer(c.type); };
  if (std::ranges::none_of(group.columns, is_suspect)) return;
  std::string list;
  for (const ViewRun& run : group.runs) list += (list.empty() ? "[" : ", ") + quote_sql_text(escape_glob(run.file));
  // Without statistics a column may hold anything.
  const Result<TextRows> rows = connection.fetch("SELECT DISTINCT path_in_schema FROM parquet_metadata(" + list +
                                                 "]) WHERE coalesce(greatest(abs(TRY_CAST(stats_min_value AS "
                                                 "HUGEINT)), abs(TRY_CAST(stats_max_value AS HUGEINT))) "
                                                 "> 9007199254740992, stats_null_count IS DISTINCT FROM num_values)");
  for (ViewColumn& column : group.columns) {
    const auto is_it = [&](const std::vector<std::string>& row) { return row[0] == column.name; };
    if (is_suspect(column)) column.has_large_integers = !rows.ok() || std::ranges::any_of(*rows, is_it);
  }
}

Result<std::vector<TableGroup>> RunTables::group(Connection& connection, RunTable table,
                                                 std::span<const RunLocation> runs, FileCheck check) {
  std::vector<ViewRun> present;
  for (const RunLocation& run : usable(runs)) {
    const Result<std::string> file = checked_file(run, file_of(table), check);
    if (!file.ok()) {
      leave_out(run.run_id, file.status());
      continue;
    }
    if (table == RunTable::components) {
      SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(*file));
      if (!exists) continue;
    }
    present.push_back({.run_id = run.run_id, .path = run.path, .file = *file});
  }
  std::map<std::string, std::string> signatures;
  read_signatures(connection, table, present, signatures);
  std::vector<TableGroup> groups;
  std::map<std::string, size_t> group_of;
  for (const ViewRun& run : present) {
    const auto signature = signatures.find(run.run_id);
    if (signature == signatures.end()) continue;
    const auto [place, is_new] = group_of.emplace(signature->second, groups.size());
    if (is_new) {
      const Result<TextRows> columns =
          connection.fetch("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " +
                           read_parquet_sql(std::vector{escape_glob(run.file)}, "") + ")");
      if (!columns.ok()) {  // removed a moment ago
        leave_out(run.run_id, columns.status());
        group_of.erase(place);
        continue;
      }
      groups.emplace_back();
      for (const std::vector<std::string>& column : *columns) groups.back().columns.push_back({column[0], column[1]});
    }
    groups[place->second].runs.push_back(run);
  }
  for (TableGroup& group : groups) find_large_integers(connection, group);
  return groups;
}

void RunTables::read_through(Connection& connection, std::span<const RunLocation> runs) {
  for (const RunLocation& run : usable(runs)) {
    for (const RunTable table : {RunTable::strategies, RunTable::components}) {
      const std::string file = known_file(run.run_id, file_of(table));
      const Result<bool> exists = files_.file_exists(file);
      if (table == RunTable::components && exists.ok() && !*exists) continue;
      const Result<TextRows> rows = connection.fetch("SELECT max(hash(t))::VARCHAR FROM " +
                                                     read_parquet_sql(std::vector{escape_glob(file)}, "") + " t");
      if (!rows.ok()) leave_out(run.run_id, rows.status());
    }
  }
}

std::vector<RunLocation> RunTables::usable(std::span<const RunLocation> runs) const {
  std::vector<RunLocation> usable;
  std::ranges::copy_if(runs, std::back_inserter(usable),
                       [&](const RunLocation& run) { return !left_out_.contains(run.run_id); });
  return usable;
}

Status RunTables::first_failure(std::span<const RunLocation> runs) const {
  for (const RunLocation& run : runs) {
    const auto left_out = left_out_.find(run.run_id);
    if (left_out != left_out_.end()) return left_out->second;
  }
  return Status();
}

std::vector<RunFact> RunTables::facts(std::span<const RunLocation> runs) {
  std::vector<RunFact> facts;
  for (const RunLocation& run : runs) {
    const Result<std::optional<RunDescription>> description = describe(run);
    if (!description.ok() || !description->has_value()) continue;
    facts.push_back({.run_id = run.run_id, .code_version = (*description)->code_version.value_or("")});
  }
  return facts;
}

}  // namespace signalbook
