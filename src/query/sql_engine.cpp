#include "query/sql_engine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/recently_used.h"
#include "format/trace_schema.h"
#include "query/database.h"
#include "query/sql_error.h"
#include "query/sql_statement.h"
#include "query/sql_text.h"
#include "query/statement_views.h"
#include "query/table_functions.h"
#include "query/view_builder.h"
#include "store/strategy_lookup.h"

namespace signalbook {

struct SqlEngine::State {
  std::string store_path;
  bool confined = true;
  std::shared_ptr<Database> database;

  std::function<void(const std::string&)> note;

  // What statements name, by their texts: to let DuckDB read one takes longer than many a query.
  RecentlyUsed<std::optional<StatementNames>> statements{kMostStatementBytes};
  static constexpr size_t kMostStatementBytes = 4 << 20;

  std::mutex views_mutex;  // of those below
  std::optional<StatementViews> views;

  Status open(FileSystem& files, const Scope& scope, const Options& options);
  Status make_all_views(Connection& connection);
  Result<std::string> make_views(Connection& connection, const std::string& statement, const StatementNames& names);
  void note_left_out();
  Status check_names(const StatementNames& names) const;
  Status query(const std::string& sql, ArrowArrayStream* stream);
};

namespace {

// A path as it is and as the system resolves it: users type both.
std::string absolute_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  std::string text = (error ? std::filesystem::path(path) : absolute).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// Why a text is not one SELECT, in the words of DuckDB's parser, which show the place.
Status explain_refusal(Connection& connection, const std::string& sql) {
  const Connection::Parsed parsed = connection.parse(sql);
  if (parsed.error.starts_with("Parser Error")) return Status::invalid(parsed.error);
  const std::string keyword = first_keyword(sql);
  if (keyword == "PIVOT") return refusal("name the columns of a PIVOT: PIVOT t ON x IN (1, 2) USING ...");
  if (parsed.error.empty() && parsed.statement_count == 0) return refusal("there is none");
  if (parsed.statement_count > 1) return refusal(fmt::format("these are {}", parsed.statement_count));
  return refusal(keyword.empty() ? "this is another" : "this is " + keyword);
}

// What a statement names; nothing where it is not one SELECT.
Result<std::optional<StatementNames>> read_names(Connection& connection, const std::string& statement) {
  if (statement.find('\0') != std::string::npos) return Status::invalid("the statement holds a NUL character");
  SB_ASSIGN_OR_RETURN(const std::string serialized, serialize_statement(connection, statement));
  return names_in_statement(statement, serialized);
}

// Says each text once, however often the views are made.
std::function<void(const std::string&)> say_once(std::function<void(const std::string&)> note) {
  struct Said {
    std::mutex mutex;
    std::set<std::string> texts;
  };
  return [note = std::move(note), said = std::make_shared<Said>()](const std::string& text) {
    const std::lock_guard lock(said->mutex);
    if (said->texts.insert(text).second && note) note(text);
  };
}

}  // namespace

Status SqlEngine::State::open(FileSystem& files, const Scope& scope, const Options& options) {
  confined = options.confined;
  note = options.note;
  SB_ASSIGN_OR_RETURN(store_path, files.absolute_path(scope.store_path.empty() ? "." : scope.store_path));
  SB_ASSIGN_OR_RETURN(StatementViews opened, StatementViews::open(files, store_path, scope, confined));
  views.emplace(std::move(opened));
  Database::Options settings = {.allowed_directories = std::nullopt, .pinned = views->pinned()};
  if (confined) {
    // As it is, as the user spells it, and as we write it in a glob: DuckDB compares what stands in the query.
    settings.allowed_directories.emplace();
    for (const std::string& path : {store_path, absolute_path(scope.store_path)}) {
      settings.allowed_directories->push_back(path);
      settings.allowed_directories->push_back(escape_glob(path));
    }
  }
  SB_ASSIGN_OR_RETURN(database, Database::open(settings));
  return Status();
}

SqlEngine::SqlEngine(FileSystem& files, Scope scope, Options options)
    : files_(files), scope_(std::move(scope)), options_(std::move(options)) {
  options_.note = say_once(std::move(options_.note));
}
SqlEngine::~SqlEngine() = default;

Status SqlEngine::open_state() {
  auto state = std::make_shared<State>();
  SB_RETURN_IF_ERROR(state->open(files_, scope_, options_));
  const std::lock_guard lock(state_mutex_);
  state_ = std::move(state);
  return Status();
}

std::shared_ptr<SqlEngine::State> SqlEngine::state() {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

Result<std::unique_ptr<SqlEngine>> SqlEngine::open(FileSystem& files, const Scope& scope, const Options& options) {
  std::unique_ptr<SqlEngine> engine(new SqlEngine(files, scope, options));
  SB_RETURN_IF_ERROR(engine->open_state());
  return engine;
}

void SqlEngine::State::note_left_out() {
  for (const auto& [run_id, why] : views->left_out()) {
    note(fmt::format("{} is left out: {}", run_id, why.message()));
  }
}

Status SqlEngine::State::make_all_views(Connection& connection) {
  const std::lock_guard lock(views_mutex);
  const Status made = views->make_all(connection, true);
  note_left_out();
  return made;
}

// The views that a statement names, and the statement with the files that its paths mean.
Result<std::string> SqlEngine::State::make_views(Connection& connection, const std::string& statement,
                                                 const StatementNames& names) {
  const std::lock_guard lock(views_mutex);
  const Status made = views->make(connection, names);
  Result<std::string> text = made.ok() ? views->resolve_paths(connection, statement, names) : made;
  note_left_out();
  if (!text.ok()) return explain_error(text.status(), store_path);
  return text;
}

// DuckDB refuses what leads out of the store, but for our own names of files in it: those are nobody else's.
Status SqlEngine::State::check_names(const StatementNames& names) const {
  for (const TableFunction& function : names.functions) {
    if (!may_call(function.name)) return refusal(fmt::format("it may not call {}()", function.name));
    for (const std::string& path : function.values) {
      if (views->pinned()->is_name(path)) return explain_error(no_access(path), store_path);
    }
  }
  return Status();
}

Status SqlEngine::State::query(const std::string& sql, ArrowArrayStream* stream) {
  constexpr size_t kBytesOfNames = 8;  // for each of the text, about
  SB_ASSIGN_OR_RETURN(const std::shared_ptr<Connection> connection, database->connect());
  const ExplainedStatement explained = split_explain(sql);
  const auto read = [&] { return read_names(*connection, explained.statement); };
  const auto size_of = [&](const auto&) { return kBytesOfNames * (explained.statement.size() + 100); };
  SB_ASSIGN_OR_RETURN(const auto known, statements.get(explained.statement, read, size_of));
  const std::optional<StatementNames>& names = *known;
  if (!names.has_value()) {
    if (confined) return explain_refusal(*connection, sql);
    // Anything may be in it, so all views are made, and paths mean what DuckDB takes them for.
    SB_RETURN_IF_ERROR(make_all_views(*connection));
    return explain_error(database->stream(connection, sql, false, stream), store_path);
  }
  if (confined) SB_RETURN_IF_ERROR(check_names(*names));
  SB_ASSIGN_OR_RETURN(const std::string text, make_views(*connection, explained.statement, *names));
  const Status started = database->stream(connection, explained.prefix + text, confined, stream);
  if (started.message() == kNotOnlyReading) return refusal("this is " + first_keyword(sql));
  return explain_error(started, store_path);
}

// Runs may be removed or replaced, and the catalogue's files with them, between the moment that they are found and that
// they are read. So what looks like that is asked again, of what there is then.
Status SqlEngine::query(const std::string& sql, ArrowArrayStream* stream) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    const Status status = state()->query(sql, stream);
    const bool may_have_changed = status.code() == StatusCode::not_found || status.code() == StatusCode::io_error ||
                                  status.code() == StatusCode::damaged;
    // What may write is not run twice.
    if (!may_have_changed || attempt == kAttempts || !options_.confined) return status;
    SB_RETURN_IF_ERROR(open_state());
  }
}

struct SqlEngine::Lookup {
  FileStamp stamp;
  StrategyLookup rows;
};

// nullptr where the index is small, or cannot be looked up: then it is searched, and what is wrong with it told there.
Result<SqlEngine::Lookup*> SqlEngine::lookup_of(const RunLocation& run) {
  constexpr int64_t kLargeIndex = 4 << 20;  // below, it is searched as fast as a file beside it is read
  const std::string path = join_path(run.path, file::kStrategyIndex);
  SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(path));
  if (!stamp || stamp->size < kLargeIndex) return nullptr;
  std::unique_ptr<Lookup>& known = lookups_[path];
  if (known != nullptr && known->stamp == *stamp) return known.get();
  Result<std::optional<StrategyLookup>> opened = StrategyLookup::open(files_, scope_.store_path, run);
  if (!opened.ok() || !opened->has_value()) return nullptr;
  known = std::make_unique<Lookup>(Lookup{.stamp = *stamp, .rows = std::move(**opened)});
  return known.get();
}

SqlEngine::FindRows SqlEngine::named(const std::string& name) {
  constexpr size_t kLeastDigits = 4;
  const bool may_be_digits =
      name.size() >= kLeastDigits && name.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  return [name, may_be_digits](StrategyLookup& lookup) -> Result<std::vector<uint32_t>> {
    SB_ASSIGN_OR_RETURN(std::vector<uint32_t> rows, lookup.rows_with_id(name));
    if (may_be_digits) {
      SB_ASSIGN_OR_RETURN(const std::vector<uint32_t> others, lookup.rows_with_digits(to_lower_ascii(name)));
      rows.insert(rows.end(), others.begin(), others.end());
    }
    return rows;
  };
}

SqlEngine::FindRows SqlEngine::with_values(std::string_view value_digest) {
  return [value = std::string(value_digest)](StrategyLookup& lookup) { return lookup.rows_with_values(value); };
}

Result<std::vector<SqlEngine::RowsOfRun>> SqlEngine::find_rows(const FindRows& find) {
  constexpr size_t kMostRuns = 20;  // of more the catalogue is asked
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, runs_in_scope(files_, scope_));
  std::vector<RowsOfRun> found;
  const std::lock_guard lock(lookups_mutex_);
  for (const RunLocation& run : runs) {
    RowsOfRun& of_run = found.emplace_back(RowsOfRun{.run_id = run.run_id, .trace_ids = std::nullopt});
    if (runs.size() > kMostRuns) continue;
    SB_ASSIGN_OR_RETURN(Lookup* const lookup, lookup_of(run));
    if (lookup == nullptr) continue;
    Result<std::vector<uint32_t>> rows = find(lookup->rows);
    if (rows.ok()) of_run.trace_ids = std::move(*rows);
  }
  return found;
}

Result<std::string> SqlEngine::rows_condition(const FindRows& find) {
  SB_ASSIGN_OR_RETURN(const std::vector<RowsOfRun> runs, find_rows(find));
  const auto is_known = [](const RowsOfRun& run) { return run.trace_ids.has_value(); };
  if (std::ranges::none_of(runs, is_known)) return std::string();
  std::vector<std::string> conditions;
  for (const RowsOfRun& run : runs) {
    if (is_known(run) && run.trace_ids->empty()) continue;
    std::vector<std::string> of_run;
    if (runs.size() > 1) of_run.push_back("run_id = " + quote_sql_text(run.run_id));
    if (is_known(run)) of_run.push_back(fmt::format("trace_id IN ({})", fmt::join(*run.trace_ids, ", ")));
    conditions.push_back(fmt::format("({})", fmt::join(of_run, " AND ")));
  }
  return conditions.empty() ? "false" : fmt::format("({})", fmt::join(conditions, " OR "));
}

Result<std::optional<SqlEngine::Rows>> SqlEngine::known_rows(const FindRows& find) {
  SB_ASSIGN_OR_RETURN(const std::vector<RowsOfRun> runs, find_rows(find));
  Rows rows;
  for (const RowsOfRun& run : runs) {
    if (!run.trace_ids) return std::optional<Rows>();
    for (const uint32_t trace_id : *run.trace_ids) rows.emplace(run.run_id, trace_id);
  }
  return std::optional(std::move(rows));
}

Result<std::string> SqlEngine::rows_named(const std::string& name) { return rows_condition(named(name)); }

Result<std::string> SqlEngine::rows_with_values(std::string_view value_digest) {
  return rows_condition(with_values(value_digest));
}

Result<std::optional<SqlEngine::Rows>> SqlEngine::known_rows_named(const std::string& name) {
  return known_rows(named(name));
}

Result<std::optional<SqlEngine::Rows>> SqlEngine::known_rows_with_values(std::string_view value_digest) {
  return known_rows(with_values(value_digest));
}

}  // namespace signalbook
