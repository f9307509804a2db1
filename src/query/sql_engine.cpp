#include "query/sql_engine.h"

#include <duckdb.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "query/arrow_c_stream.h"
#include "query/sql_error.h"
#include "query/sql_statement.h"
#include "query/sql_text.h"
#include "query/statement_views.h"
#include "query/table_functions.h"
#include "query/view_builder.h"

namespace signalbook {

namespace {

// ---- DuckDB's handles, freed by their owners ------------------------------------------------------------------------

class Connection {
 public:
  explicit Connection(duckdb_database database) { is_open_ = duckdb_connect(database, &handle_) == DuckDBSuccess; }
  ~Connection() { duckdb_disconnect(&handle_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_open() const { return is_open_; }
  duckdb_connection get() const { return handle_; }

 private:
  duckdb_connection handle_ = nullptr;
  bool is_open_ = false;
};

class Prepared {
 public:
  ~Prepared() { duckdb_destroy_prepare(&handle_); }
  Prepared() = default;
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  duckdb_prepared_statement get() const { return handle_; }
  duckdb_prepared_statement* out() { return &handle_; }

 private:
  duckdb_prepared_statement handle_ = nullptr;
};

class QueryResult {
 public:
  ~QueryResult() { duckdb_destroy_result(&handle_); }
  QueryResult() = default;
  QueryResult(const QueryResult&) = delete;
  QueryResult& operator=(const QueryResult&) = delete;

  duckdb_result* get() { return &handle_; }

 private:
  duckdb_result handle_ = {};
};

std::string text_of(const char* message) { return message == nullptr ? "no message from DuckDB" : message; }

// A statement of ours.
Status run_sql(duckdb_connection connection, const std::string& sql) {
  QueryResult result;
  if (duckdb_query(connection, sql.c_str(), result.get()) == DuckDBSuccess) return Status();
  return duckdb_error(text_of(duckdb_result_error(result.get())));
}

// A small result of ours: every column is VARCHAR, NULL becomes "". `parameter` is bound where it is given.
Result<TextRows> fetch_text(duckdb_connection connection, const std::string& sql,
                            const std::string* parameter = nullptr) {
  Prepared prepared;
  if (duckdb_prepare(connection, sql.c_str(), prepared.out()) != DuckDBSuccess) {
    return duckdb_error(text_of(duckdb_prepare_error(prepared.get())));
  }
  if (parameter != nullptr) {
    duckdb_bind_varchar_length(prepared.get(), 1, parameter->data(), parameter->size());
  }
  QueryResult result;
  if (duckdb_execute_prepared(prepared.get(), result.get()) != DuckDBSuccess) {
    return duckdb_error(text_of(duckdb_result_error(result.get())));
  }
  TextRows rows;
  const idx_t column_count = duckdb_column_count(result.get());
  for (;;) {
    duckdb_data_chunk chunk = duckdb_fetch_chunk(*result.get());
    if (chunk == nullptr) break;
    const idx_t row_count = duckdb_data_chunk_get_size(chunk);
    const size_t first = rows.size();
    rows.resize(first + row_count, std::vector<std::string>(column_count));
    for (idx_t column = 0; column < column_count; ++column) {
      duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
      auto* texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
      uint64_t* validity = duckdb_vector_get_validity(vector);
      for (idx_t row = 0; row < row_count; ++row) {
        if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) continue;
        rows[first + row][column].assign(duckdb_string_t_data(&texts[row]), duckdb_string_t_length(texts[row]));
      }
    }
    duckdb_destroy_data_chunk(&chunk);
  }
  return rows;
}

// ---- Results --------------------------------------------------------------------------------------------------------

bool is_huge(duckdb_type type) { return type == DUCKDB_TYPE_HUGEINT || type == DUCKDB_TYPE_UHUGEINT; }

std::string take_error(duckdb_error_data& error) {
  std::string message;
  if (error != nullptr && duckdb_error_data_has_error(error)) message = text_of(duckdb_error_data_message(error));
  duckdb_destroy_error_data(&error);
  return message;
}

}  // namespace

struct SqlEngine::State {
  ~State() { duckdb_close(&database); }

  std::string store_path;
  duckdb_database database = nullptr;

  std::mutex views_mutex;  // of the one below
  std::optional<StatementViews> views;

  Status open(FileSystem& files, const Scope& scope);
  Status configure(const std::string& shown_store_path);
  Status explain_refusal(duckdb_connection connection, const std::string& sql) const;
  Result<StatementNames> read_names(duckdb_connection connection, const std::string& statement,
                                    const std::string& sql) const;
};

namespace {

// A result on its way out. It owns all that DuckDB needs, so that it outlives the engine; a connection of its own
// lets the engine answer the next question meanwhile.
struct ResultStream {
  explicit ResultStream(std::shared_ptr<void> engine, duckdb_database database)
      : keep_alive(std::move(engine)), connection(database) {}
  ~ResultStream() {
    for (duckdb_logical_type& type : types) duckdb_destroy_logical_type(&type);
    duckdb_destroy_arrow_options(&options);
  }

  std::shared_ptr<void> keep_alive;
  Connection connection;
  Prepared prepared;
  QueryResult result;
  duckdb_arrow_options options = nullptr;
  std::vector<std::string> names;
  std::vector<duckdb_logical_type> types;  // as sent: BIGINT where DuckDB has HUGEINT
  std::vector<duckdb_type> sources;        // as DuckDB has them
  bool has_huge = false;
  std::string error;

  void start();
  bool narrow_column(duckdb_vector from, duckdb_vector to, idx_t row_count, size_t column);
  bool narrow(duckdb_data_chunk* chunk);
  int fail(std::string message) {
    error = std::move(message);
    return error_number();
  }
  // What kind of error it is, as far as errno has words for it.
  int error_number() const {
    switch (duckdb_error(error).code()) {
      case StatusCode::damaged:
        return EBADMSG;
      case StatusCode::io_error:
        return EIO;
      case StatusCode::not_found:
        return ENOENT;
      default:
        return EINVAL;
    }
  }
};

void ResultStream::start() {
  options = duckdb_result_get_arrow_options(result.get());
  const idx_t count = duckdb_column_count(result.get());
  for (idx_t i = 0; i < count; ++i) {
    names.push_back(text_of(duckdb_column_name(result.get(), i)));
    const duckdb_type type = duckdb_column_type(result.get(), i);
    sources.push_back(type);
    has_huge = has_huge || is_huge(type);
    types.push_back(is_huge(type) ? duckdb_create_logical_type(DUCKDB_TYPE_BIGINT)
                                  : duckdb_column_logical_type(result.get(), i));
  }
}

// sum(BIGINT) is a HUGEINT, which Arrow does not have: it would leave as decimal128(38, 0), which data frames hold as
// objects and which has no room for the largest. It leaves as int64, and a number that does not fit is an error.
bool ResultStream::narrow_column(duckdb_vector from, duckdb_vector to, idx_t row_count, size_t column) {
  uint64_t* from_validity = duckdb_vector_get_validity(from);
  auto* target = static_cast<int64_t*>(duckdb_vector_get_data(to));
  const auto* source = static_cast<const duckdb_hugeint*>(duckdb_vector_get_data(from));  // uhugeint: same layout
  uint64_t* to_validity = nullptr;
  for (idx_t row = 0; row < row_count; ++row) {
    if (from_validity != nullptr && !duckdb_validity_row_is_valid(from_validity, row)) {
      if (to_validity == nullptr) {
        duckdb_vector_ensure_validity_writable(to);
        to_validity = duckdb_vector_get_validity(to);
      }
      duckdb_validity_set_row_invalid(to_validity, row);
      target[row] = 0;
      continue;
    }
    target[row] = static_cast<int64_t>(source[row].lower);
    const int64_t sign = target[row] < 0 && sources[column] == DUCKDB_TYPE_HUGEINT ? -1 : 0;
    if (source[row].upper != sign || (sign == 0 && target[row] < 0)) {
      error = fmt::format("column \"{}\" holds a whole number of more than 64 bits: cast it, as in CAST({} AS DOUBLE)",
                          names[column], quote_sql_name(names[column]));
      return false;
    }
  }
  return true;
}

bool ResultStream::narrow(duckdb_data_chunk* chunk) {
  const idx_t row_count = duckdb_data_chunk_get_size(*chunk);
  duckdb_data_chunk narrowed = duckdb_create_data_chunk(types.data(), types.size());
  bool fits = true;
  for (size_t i = 0; i < types.size() && fits; ++i) {
    duckdb_vector from = duckdb_data_chunk_get_vector(*chunk, i);
    duckdb_vector to = duckdb_data_chunk_get_vector(narrowed, i);
    if (is_huge(sources[i])) {
      fits = narrow_column(from, to, row_count, i);
    } else {
      duckdb_vector_reference_vector(to, from);
    }
  }
  duckdb_data_chunk_set_size(narrowed, row_count);
  duckdb_destroy_data_chunk(chunk);
  *chunk = narrowed;
  return fits;
}

int get_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  auto& state = *static_cast<ResultStream*>(stream->private_data);
  std::vector<const char*> names;
  for (const std::string& name : state.names) names.push_back(name.c_str());
  duckdb_error_data error = duckdb_to_arrow_schema(state.options, state.types.data(), names.data(), names.size(), out);
  std::string message = take_error(error);
  return message.empty() ? 0 : state.fail(std::move(message));
}

int get_next(ArrowArrayStream* stream, ArrowArray* out) {
  auto& state = *static_cast<ResultStream*>(stream->private_data);
  out->release = nullptr;
  if (!state.error.empty()) return state.error_number();
  duckdb_data_chunk chunk = duckdb_fetch_chunk(*state.result.get());
  if (chunk == nullptr) {
    // The end and a failure look alike, but for the message.
    const char* error = duckdb_result_error(state.result.get());
    return error == nullptr || *error == '\0' ? 0 : state.fail(error);
  }
  std::string message;
  if (!state.has_huge || state.narrow(&chunk)) {
    duckdb_error_data error = duckdb_data_chunk_to_arrow(state.options, chunk, out);
    message = take_error(error);
  } else {
    message = state.error;
  }
  duckdb_destroy_data_chunk(&chunk);
  return message.empty() ? 0 : state.fail(std::move(message));
}

const char* get_last_error(ArrowArrayStream* stream) {
  const auto& state = *static_cast<const ResultStream*>(stream->private_data);
  return state.error.empty() ? nullptr : state.error.c_str();
}

void release_stream(ArrowArrayStream* stream) {
  delete static_cast<ResultStream*>(stream->private_data);
  stream->private_data = nullptr;
  stream->release = nullptr;
}

// A path as it is and as the system resolves it: users type both.
std::string absolute_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  std::string text = (error ? std::filesystem::path(path) : absolute).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

// ---- Opening --------------------------------------------------------------------------------------------------------

Status SqlEngine::State::open(FileSystem& files, const Scope& scope) {
  SB_ASSIGN_OR_RETURN(store_path, files.absolute_path(scope.store_path.empty() ? "." : scope.store_path));
  SB_ASSIGN_OR_RETURN(StatementViews opened, StatementViews::open(files, store_path, scope));
  views.emplace(std::move(opened));
  return configure(scope.store_path);
}

// Starts DuckDB, with no way out of the store and none to change that.
Status SqlEngine::State::configure(const std::string& shown_store_path) {
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess) return Status::io_error("DuckDB cannot start: out of memory");
  duckdb_set_config(config, "autoinstall_known_extensions", "false");
  duckdb_set_config(config, "autoload_known_extensions", "false");
  duckdb_set_config(config, "allow_persistent_secrets", "false");
  // Queries larger than memory spill there, and not into the user's directory.
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  const std::string spill = (error ? std::filesystem::path("/tmp") : temporary) /
                            fmt::format("signalbook-{}-{}", ::getpid(), static_cast<const void*>(this));
  duckdb_set_config(config, "temp_directory", spill.c_str());
  char* message = nullptr;
  const duckdb_state opened = duckdb_open_ext(nullptr, &database, config, &message);
  duckdb_destroy_config(&config);
  if (opened != DuckDBSuccess) {
    Status status = Status::io_error(text_of(message));
    duckdb_free(message);
    return status;
  }
  const Connection connection(database);
  if (!connection.is_open()) return Status::io_error("DuckDB gives no connection");
  // As it is, as the user spells it, and as we write it in a glob: DuckDB compares what stands in the query.
  std::string allowed;
  for (const std::string& path : {store_path, absolute_path(shown_store_path)}) {
    allowed += (allowed.empty() ? "" : ", ") + quote_sql_text(path) + ", " + quote_sql_text(escape_glob(path));
  }
  return run_sql(connection.get(), "SET GLOBAL TimeZone = 'UTC'; SET allowed_directories = [" + allowed +
                                       "]; SET enable_external_access = false; SET lock_configuration = true");
}

SqlEngine::SqlEngine(std::shared_ptr<State> state) : state_(std::move(state)) {}
SqlEngine::~SqlEngine() = default;

Result<std::unique_ptr<SqlEngine>> SqlEngine::open(FileSystem& files, const Scope& scope) {
  auto state = std::make_shared<State>();
  SB_RETURN_IF_ERROR(state->open(files, scope));
  return std::unique_ptr<SqlEngine>(new SqlEngine(std::move(state)));
}

// ---- Queries --------------------------------------------------------------------------------------------------------

// Why a text is not one SELECT, in the words of DuckDB's parser, which show the place.
Status SqlEngine::State::explain_refusal(duckdb_connection connection, const std::string& sql) const {
  duckdb_extracted_statements statements = nullptr;
  const idx_t count = duckdb_extract_statements(connection, sql.c_str(), &statements);
  const char* error = duckdb_extract_statements_error(statements);
  const std::string message = error == nullptr ? "" : error;
  duckdb_destroy_extracted(&statements);
  if (message.starts_with("Parser Error")) return Status::invalid(message);
  const std::string keyword = first_keyword(sql);
  if (keyword == "PIVOT") return refusal("name the columns of a PIVOT: PIVOT t ON x IN (1, 2) USING ...");
  if (message.empty() && count == 0) return refusal("there is none");
  if (count > 1) return refusal(fmt::format("these are {}", count));
  return refusal(keyword.empty() ? "this is another" : "this is " + keyword);
}

// What a statement names, once it is clear that it only reads. `sql` is the whole text, for messages.
Result<StatementNames> SqlEngine::State::read_names(duckdb_connection connection, const std::string& statement,
                                                    const std::string& sql) const {
  if (sql.find('\0') != std::string::npos) return Status::invalid("the statement holds a NUL character");
  SB_ASSIGN_OR_RETURN(const TextRows rows,
                      fetch_text(connection, "SELECT json_serialize_sql(CAST(? AS VARCHAR))::VARCHAR", &statement));
  if (rows.size() != 1) return Status::invalid("DuckDB does not show how it reads the statement");
  SB_ASSIGN_OR_RETURN(const std::optional<StatementNames> names, names_in_statement(statement, rows[0][0]));
  if (!names.has_value()) return explain_refusal(connection, sql);
  for (const TableFunction& function : names->functions) {
    if (!may_call(function.name)) return refusal(fmt::format("it may not call {}()", function.name));
  }
  return *names;
}

Status SqlEngine::query(const std::string& sql, ArrowArrayStream* stream) {
  State& state = *state_;
  auto result = std::make_unique<ResultStream>(state_, state.database);
  if (!result->connection.is_open()) return Status::io_error("DuckDB gives no connection");
  const duckdb_connection connection = result->connection.get();
  const ExplainedStatement explained = split_explain(sql);
  SB_ASSIGN_OR_RETURN(const StatementNames names, state.read_names(connection, explained.statement, sql));
  std::string text;
  {
    const StatementViews::Database database = {
        .run = [&](const std::string& ours) { return run_sql(connection, ours); },
        .fetch = [&](const std::string& ours) { return fetch_text(connection, ours); }};
    const std::lock_guard lock(state.views_mutex);
    if (const Status made = state.views->make(database, names); !made.ok()) {
      return explain_error(made, state.store_path);
    }
    SB_ASSIGN_OR_RETURN(text, state.views->resolve_paths(database, explained.statement, names));
  }
  text = explained.prefix + text;
  if (duckdb_prepare(connection, text.c_str(), result->prepared.out()) != DuckDBSuccess) {
    return explain_error(duckdb_error(text_of(duckdb_prepare_error(result->prepared.get()))), state.store_path);
  }
  const duckdb_statement_type type = duckdb_prepared_statement_type(result->prepared.get());
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return refusal("this is " + first_keyword(sql));
  }
  if (duckdb_execute_prepared_streaming(result->prepared.get(), result->result.get()) != DuckDBSuccess) {
    return explain_error(duckdb_error(text_of(duckdb_result_error(result->result.get()))), state.store_path);
  }
  result->start();
  *stream = {.get_schema = get_schema,
             .get_next = get_next,
             .get_last_error = get_last_error,
             .release = release_stream,
             .private_data = result.release()};
  return Status();
}

}  // namespace signalbook
