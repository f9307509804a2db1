#include "query/statement_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/ascii.h"
#include "format/trace_schema.h"
#include "query/sql_text.h"
#include "query/table_functions.h"
#include "query/trades_view.h"

namespace signalbook {

namespace {

// Of runs that are read from their own files there are few: the catalogue has the others, under names that are never
// used again.
constexpr size_t kMostPinned = 256;
// Its index, its components and some packs and metric sets.
constexpr size_t kPinnedOfARun = 16;

}  // namespace

Result<StatementViews> StatementViews::open(FileSystem& files, const std::string& store_path, const Scope& scope,
                                            bool confined) {
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> scope_runs, runs_in_scope(files, scope));
  if (scope_runs.empty()) return no_finished_run(files, scope.store_path);
  std::vector<RunLocation> all_runs = scope_runs;
  if (scope.run_path.has_value()) {
    SB_ASSIGN_OR_RETURN(all_runs, list_runs(files, scope.store_path));
    // Under the path by which it was asked for.
    const RunLocation& own = scope_runs.front();
    std::ranges::replace_if(
        all_runs, [&](const RunLocation& run) { return run.run_id == own.run_id; }, own);
  }
  std::error_code ignored;  // without a working directory only paths from the store are left
  const std::filesystem::path shown = std::filesystem::absolute(scope.store_path, ignored).lexically_normal();
  QueryPaths::Place place = {.store_path = store_path,
                             .shown_store_path = shown.has_filename() ? shown.string() : shown.parent_path().string(),
                             .working_directory = std::filesystem::current_path(ignored).string(),
                             .run_id = std::nullopt,
                             .all_runs = all_runs,
                             .confined = confined,
                             .is_packed = nullptr};
  if (scope.run_path.has_value()) place.run_id = scope_runs.front().run_id;
  PackedTraces::Place packs = {.store_path = store_path, .confined_to = std::nullopt, .runs = all_runs};
  if (confined) packs.confined_to = store_path;
  const auto packed = std::make_shared<PackedTraces>(files, std::move(packs));
  place.is_packed = [packed](const std::string& run_id, const std::string& trace_path) -> Result<bool> {
    SB_ASSIGN_OR_RETURN(const std::optional<PackedTraces::Found> found, packed->find(run_id, trace_path));
    return found.has_value();
  };
  const QueryPaths paths(files, std::move(place));
  const auto pinned = std::make_shared<PinnedPaths>(files, std::min(all_runs.size() * kPinnedOfARun, kMostPinned));
  ViewBuilder builder(files,
                      {.store_path = store_path,
                       .shown_store_path = scope.store_path,
                       .scope_runs = scope_runs,
                       .all_runs = all_runs,
                       .is_store = !scope.run_path.has_value(),
                       .confined = confined},
                      paths, pinned, packed);
  PathCalls calls(files,
                  {.store_path = store_path, .scope_runs = scope_runs, .all_runs = all_runs, .confined = confined},
                  paths, packed);
  return StatementViews(std::move(builder), std::move(calls), pinned);
}

// Makes the view that a table name means, if it means one. Those that are named by a path are the connection's own:
// SHOW TABLES lists the others.
Status StatementViews::make_view(Connection& connection, const TableName& table, const StatementNames& names) {
  const std::string name = to_lower_ascii(table.name);
  if ((table.schema.empty() || table.schema == "main") && std::ranges::count(ViewBuilder::view_names(), name) > 0) {
    if (views_.contains(name)) return Status();
    const Result<std::string> select = builder_.view(name, connection);
    // WITH bars AS (...) hides the view; whether that is damaged does not matter then.
    if (!select.ok()) return names.common_tables.contains(name) ? Status() : select.status();
    SB_RETURN_IF_ERROR(connection.run("CREATE VIEW " + quote_sql_name(name) + " AS " + *select));
    views_.insert(name);
    return Status();
  }
  if (table.schema.empty()) {
    if (!name.ends_with(".parquet")) return Status();
    SB_ASSIGN_OR_RETURN(const std::optional<std::string> select, builder_.path_view(table.name, connection));
    if (!select.has_value()) return Status();
    return connection.run("CREATE OR REPLACE TEMP VIEW " + quote_sql_name(table.name) + " AS " + *select);
  }
  // strategy_index.parquet without quotes: a table "parquet" in a schema.
  const std::string path = to_lower_ascii(table.schema) + "." + name;
  if ((path != file::kStrategyIndex && path != file::kStrategyComponents) || views_.contains(path)) return Status();
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> select, builder_.path_view(path, connection));
  if (!select.has_value()) return Status();
  const std::string schema = to_lower_ascii(table.schema);
  SB_RETURN_IF_ERROR(connection.run("CREATE SCHEMA IF NOT EXISTS " + schema));
  SB_RETURN_IF_ERROR(connection.run("CREATE VIEW " + schema + ".parquet AS " + *select));
  views_.insert(path);
  return Status();
}

// The macro trades_at(cost_bps).
Status StatementViews::make_trades_at(Connection& connection) {
  if (!views_.contains(kTradesAtCost)) {
    SB_RETURN_IF_ERROR(builder_.view("trades", connection).status());
    // Its parameter must not be a column of the index.
    const std::string parameter = "signalbook_cost_bps";
    SB_RETURN_IF_ERROR(connection.run(std::string("CREATE MACRO ") + kTradesAtCost + "(" + parameter + ") AS TABLE " +
                                      trades_sql(parameter)));
    views_.insert(kTradesAtCost);
  }
  return Status();
}

Status StatementViews::make_all(Connection& connection, bool with_paths) {
  // One that cannot be made is not listed; who asks for it by name is told why.
  const auto make_if_possible = [&](const TableName& table) {
    const Status ignored = make_view(connection, table, StatementNames());
    static_cast<void>(ignored);
  };
  for (const std::string& name : ViewBuilder::view_names()) {
    make_if_possible({.schema = "", .name = name});
  }
  if (with_paths) {
    const Status ignored = make_trades_at(connection);
    static_cast<void>(ignored);
    for (const std::string schema : {"strategy_index", "strategy_components"}) {
      make_if_possible({.schema = schema, .name = "parquet"});
      make_if_possible({.schema = "", .name = schema + ".parquet"});
    }
  }
  return Status();
}

Status StatementViews::make(Connection& connection, const StatementNames& names) {
  const auto lists = [](const TableFunction& function) { return lists_views(function.name); };
  const auto is_catalog = [](const TableName& table) {
    return table.schema == "information_schema" || table.schema == "pg_catalog" || table.name.starts_with("sqlite_");
  };
  if (names.lists_tables || std::ranges::any_of(names.functions, lists) ||
      std::ranges::any_of(names.tables, is_catalog)) {
    SB_RETURN_IF_ERROR(make_all(connection, false));
  }
  if (std::ranges::count(names.functions, kTradesAtCost, &TableFunction::name) > 0) {
    SB_RETURN_IF_ERROR(make_trades_at(connection));
  }
  for (const TableName& table : names.tables) SB_RETURN_IF_ERROR(make_view(connection, table, names));
  return Status();
}

Result<std::string> StatementViews::resolve_paths(Connection& connection, const std::string& statement,
                                                  const StatementNames& names) {
  return calls_.rewrite(connection, builder_, statement, names);
}

}  // namespace signalbook
