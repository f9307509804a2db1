#include "query/database.h"

#include <duckdb.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <utility>

#include "query/arrow_c_stream.h"
#include "query/sql_error.h"
#include "query/sql_text.h"

namespace signalbook {

namespace {

// ---- DuckDB's handles, freed by their owners ------------------------------------------------------------------------

class ConnectionHandle {
 public:
  explicit ConnectionHandle(duckdb_database database) {
    is_open_ = duckdb_connect(database, &handle_) == DuckDBSuccess;
  }
  ~ConnectionHandle() { duckdb_disconnect(&handle_); }
  ConnectionHandle(const ConnectionHandle&) = delete;
  ConnectionHandle& operator=(const ConnectionHandle&) = delete;

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

// Of a query that nobody interrupted but DuckDB itself.
bool is_interruption(const std::string& message) { return message.starts_with("INTERRUPT"); }

Status run_sql(duckdb_connection connection, const std::string& sql) {
  QueryResult result;
  if (duckdb_query(connection, sql.c_str(), result.get()) == DuckDBSuccess) return Status();
  return duckdb_error(text_of(duckdb_result_error(result.get())));
}

// A failure as it is told.
Status with_paths(const Status& status, const std::shared_ptr<const PinnedPaths>& pinned) {
  return pinned == nullptr ? status : status.saying(pinned->with_paths(status.message()));
}

Status prepare(duckdb_connection connection, const std::string& sql, Prepared& prepared) {
  if (duckdb_prepare(connection, sql.c_str(), prepared.out()) == DuckDBSuccess) return Status();
  return duckdb_error(text_of(duckdb_prepare_error(prepared.get())));
}

// The statements of a text, prepared one by one.
class Statements {
 public:
  Statements(duckdb_connection connection, const std::string& sql) : connection_(connection) {
    count_ = duckdb_extract_statements(connection, sql.c_str(), &handle_);
  }
  ~Statements() { duckdb_destroy_extracted(&handle_); }
  Statements(const Statements&) = delete;
  Statements& operator=(const Statements&) = delete;

  idx_t count() const { return count_; }
  std::string error() const {
    const char* error = duckdb_extract_statements_error(handle_);
    return error == nullptr ? "" : error;
  }
  Status prepare(idx_t i, Prepared& prepared) const {
    if (duckdb_prepare_extracted_statement(connection_, handle_, i, prepared.out()) == DuckDBSuccess) return Status();
    return duckdb_error(text_of(duckdb_prepare_error(prepared.get())));
  }

 private:
  duckdb_connection connection_;
  duckdb_extracted_statements handle_ = nullptr;
  idx_t count_ = 0;
};

// ---- Connections ----------------------------------------------------------------------------------------------------

class DuckDbConnection : public Connection {
 public:
  explicit DuckDbConnection(duckdb_database database, std::shared_ptr<const PinnedPaths> pinned = nullptr)
      : database_(database), pinned_(std::move(pinned)), handle_(database) {}

  bool is_open() const { return handle_.is_open(); }
  duckdb_connection get() const { return handle_.get(); }

  Status run(const std::string& sql) override;
  Result<TextRows> fetch(const std::string& sql, const std::string* parameter) override;
  Parsed parse(const std::string& sql) override;
  Status add_row_reader(const std::string& name, RowReader reader) override;
  Status add_list_function(const std::string& name, ListFunction function) override;
  Status add_value_function(const std::string& name, ValueFunction function) override;

 private:
  duckdb_database database_;
  std::shared_ptr<const PinnedPaths> pinned_;
  ConnectionHandle handle_;
};

// ---- Rows of files as lists -----------------------------------------------------------------------------------------

// What a chunk of rows asks of a RowReader: the same paths once, however many rows name them.
struct PathRows {
  std::vector<RowReader::Paths> distinct;
  std::vector<std::optional<size_t>> of_row;  // nothing for NULL
};

// Of a vector of texts: nothing for NULL.
std::optional<std::string> text_at(duckdb_vector vector, idx_t row) {
  uint64_t* validity = duckdb_vector_get_validity(vector);
  if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) return std::nullopt;
  auto* text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return std::string(duckdb_string_t_data(text), duckdb_string_t_length(*text));
}

// The paths of a row, of a vector of texts or of lists of them. A NULL in a list names no file.
std::optional<RowReader::Paths> paths_at(duckdb_vector vector, bool is_list, idx_t row) {
  if (!is_list) {
    std::optional<std::string> path = text_at(vector, row);
    if (!path.has_value()) return std::nullopt;
    return RowReader::Paths{std::move(*path)};
  }
  uint64_t* validity = duckdb_vector_get_validity(vector);
  if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) return std::nullopt;
  const duckdb_list_entry entry = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(vector))[row];
  RowReader::Paths paths;
  for (idx_t i = 0; i < entry.length; ++i) {
    std::optional<std::string> path = text_at(duckdb_list_vector_get_child(vector), entry.offset + i);
    if (path.has_value()) paths.push_back(std::move(*path));
  }
  return paths;
}

PathRows read_paths(duckdb_data_chunk input, bool is_list) {
  PathRows rows;
  duckdb_vector vector = duckdb_data_chunk_get_vector(input, 0);
  std::map<RowReader::Paths, size_t> numbers;
  const idx_t row_count = duckdb_data_chunk_get_size(input);
  for (idx_t row = 0; row < row_count; ++row) {
    rows.of_row.emplace_back();
    std::optional<RowReader::Paths> paths = paths_at(vector, is_list, row);
    if (!paths.has_value() || paths->empty()) continue;
    const auto [place, is_new] = numbers.emplace(std::move(*paths), rows.distinct.size());
    if (is_new) rows.distinct.push_back(place->first);
    rows.of_row.back() = place->second;
  }
  return rows;
}

// Puts the rows of one chunk behind those that the list has. `entries` is a range for each ordinal.
Status append_rows(duckdb_data_chunk chunk, std::vector<duckdb_list_entry>& entries, duckdb_vector list) {
  const idx_t row_count = duckdb_data_chunk_get_size(chunk);
  const idx_t first = duckdb_list_vector_get_size(list);
  if (duckdb_list_vector_reserve(list, first + row_count) != DuckDBSuccess) return Status::io_error("out of memory");
  duckdb_list_vector_set_size(list, first + row_count);
  const auto* ordinals = static_cast<int64_t*>(duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)));
  for (idx_t row = 0; row < row_count; ++row) {
    const auto ordinal = static_cast<uint64_t>(ordinals[row]);
    if (ordinal >= entries.size()) return Status::io_error("DuckDB gives rows of a file that nobody asked for");
    duckdb_list_entry& entry = entries[ordinal];
    if (entry.length == 0) entry.offset = first + row;
    if (entry.offset + entry.length != first + row) return Status::io_error("DuckDB gives the rows of a file apart");
    ++entry.length;
  }
  duckdb_selection_vector all = duckdb_create_selection_vector(row_count);
  sel_t* numbers = duckdb_selection_vector_get_data_ptr(all);
  for (idx_t row = 0; row < row_count; ++row) numbers[row] = static_cast<sel_t>(row);
  duckdb_vector structs = duckdb_list_vector_get_child(list);
  for (idx_t column = 1; column < duckdb_data_chunk_get_column_count(chunk); ++column) {
    duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, column),
                           duckdb_struct_vector_get_child(structs, column - 1), all, row_count, 0, first);
  }
  duckdb_destroy_selection_vector(all);
  return Status();
}

struct RowReaderState {
  duckdb_database database;  // outlives every function in it
  std::shared_ptr<const RowReader> reader;
  bool is_list;
};

Status append_files(const RowReaderState& state, const std::vector<RowReader::Paths>& rows,
                    std::vector<duckdb_list_entry>& entries, duckdb_vector output) {
  const RowReader& reader = *state.reader;
  DuckDbConnection connection(state.database);
  if (!connection.is_open()) return Status::io_error("DuckDB gives no connection");
  SB_ASSIGN_OR_RETURN(const RowReader::Select select, reader.select(connection, rows));
  QueryResult result;
  if (duckdb_query(connection.get(), select.sql.c_str(), result.get()) != DuckDBSuccess) {
    const std::string message = text_of(duckdb_result_error(result.get()));
    return duckdb_error(message.substr(0, message.find("\n\nLINE ")));  // a place in a text that the user did not write
  }
  const idx_t expected = reader.columns.size() + 1;
  if (duckdb_column_count(result.get()) > expected) {
    return reader.refuse(connection, rows, text_of(duckdb_column_name(result.get(), expected)));
  }
  while (duckdb_data_chunk chunk = duckdb_fetch_chunk(*result.get())) {
    const Status appended = append_rows(chunk, entries, output);
    duckdb_destroy_data_chunk(&chunk);
    SB_RETURN_IF_ERROR(appended);
  }
  for (size_t row = 0; row < select.row_counts.size(); ++row) {
    const int64_t expected_rows = select.row_counts[row];
    if (expected_rows < 0 || entries[row].length == static_cast<uint64_t>(expected_rows)) continue;
    return Status::damaged(fmt::format("read_parquet('{}'): {} rows, {} were recorded; `signalbook verify` tells more",
                                       rows[row].front(), entries[row].length, expected_rows));
  }
  return Status();
}

Status read_rows(const RowReaderState& state, duckdb_data_chunk input, duckdb_vector output) {
  const PathRows paths = read_paths(input, state.is_list);
  std::vector<duckdb_list_entry> entries(paths.distinct.size(), duckdb_list_entry{.offset = 0, .length = 0});
  if (!paths.distinct.empty()) SB_RETURN_IF_ERROR(append_files(state, paths.distinct, entries, output));
  auto* lists = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(output));
  for (size_t row = 0; row < paths.of_row.size(); ++row) {
    const std::optional<size_t>& path = paths.of_row[row];
    lists[row] = path.has_value() ? entries[*path] : duckdb_list_entry{.offset = 0, .length = 0};
  }
  return Status();
}

void call_row_reader(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const auto& state = *static_cast<const RowReaderState*>(duckdb_scalar_function_get_extra_info(info));
  const Status status = read_rows(state, input, output);
  if (!status.ok()) duckdb_scalar_function_set_error(info, function_error(status).c_str());
}

// A type by its name, as DuckDB's DESCRIBE writes it: that of a NULL of it.
Result<duckdb_logical_type> row_type(duckdb_connection connection, const std::vector<RowReader::Column>& columns) {
  std::string select;
  for (const RowReader::Column& column : columns) {
    select += (select.empty() ? "SELECT CAST(NULL AS " : ", CAST(NULL AS ") + column.type + ")";
  }
  QueryResult result;
  if (duckdb_query(connection, select.c_str(), result.get()) != DuckDBSuccess) {
    return duckdb_error(text_of(duckdb_result_error(result.get())));
  }
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (size_t i = 0; i < columns.size(); ++i) {
    types.push_back(duckdb_column_logical_type(result.get(), i));
    names.push_back(columns[i].name.c_str());
  }
  duckdb_logical_type row = duckdb_create_struct_type(types.data(), names.data(), types.size());
  duckdb_logical_type list = duckdb_create_list_type(row);
  duckdb_destroy_logical_type(&row);
  for (duckdb_logical_type& type : types) duckdb_destroy_logical_type(&type);
  return list;
}

// ---- Functions of ours that give lists ------------------------------------------------------------------------------

const char* type_name(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return "BOOLEAN";
    case ColumnType::int32:
    case ColumnType::int64:
      return "BIGINT";
    case ColumnType::real:
      return "DOUBLE";
    case ColumnType::timestamp:
      return "TIMESTAMP WITH TIME ZONE";
    case ColumnType::bytes:
      return "BLOB";
    case ColumnType::text:
    case ColumnType::text_list:
      break;
  }
  return "VARCHAR";
}

// The arguments of a chunk of calls.
Table read_calls(duckdb_data_chunk input, const std::vector<ListFunction::Parameter>& parameters) {
  Table calls;
  const idx_t row_count = duckdb_data_chunk_get_size(input);
  for (size_t i = 0; i < parameters.size(); ++i) {
    TableColumn& column = calls.add(parameters[i].name, parameters[i].type);
    duckdb_vector vector = duckdb_data_chunk_get_vector(input, i);
    void* data = duckdb_vector_get_data(vector);
    uint64_t* validity = duckdb_vector_get_validity(vector);
    for (idx_t row = 0; row < row_count; ++row) {
      if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) {
        column.append_null();
      } else if (column.type == ColumnType::int64) {
        column.append_integer(static_cast<int64_t*>(data)[row]);
      } else if (column.type == ColumnType::real) {
        column.append_real(static_cast<double*>(data)[row]);
      } else {
        column.append_text(*text_at(vector, row));  // bytes lie in a vector as texts do
      }
    }
  }
  return calls;
}

// Writes rows of a column to a vector that has room for them.
void write_values(const TableColumn& column, size_t first, size_t count, duckdb_vector vector, idx_t to) {
  void* data = duckdb_vector_get_data(vector);
  if (!column.valid.empty()) duckdb_vector_ensure_validity_writable(vector);
  uint64_t* validity = duckdb_vector_get_validity(vector);
  for (size_t i = 0; i < count; ++i) {
    const size_t row = first + i;
    if (validity != nullptr) duckdb_validity_set_row_validity(validity, to + i, !column.is_null(row));
    if (column.is_null(row)) continue;
    if (column.type == ColumnType::text) {
      duckdb_vector_assign_string_element_len(vector, to + i, column.texts[row].data(), column.texts[row].size());
    } else if (column.type == ColumnType::real) {
      static_cast<double*>(data)[to + i] = column.reals[row];
    } else if (column.type == ColumnType::boolean) {
      static_cast<bool*>(data)[to + i] = column.integers[row] != 0;
    } else {
      static_cast<int64_t*>(data)[to + i] = column.integers[row];
    }
  }
}

// Puts rows behind those that the list has.
Status append_rows(const Table& rows, size_t first, size_t count, duckdb_vector list) {
  const idx_t begin = duckdb_list_vector_get_size(list);
  if (duckdb_list_vector_reserve(list, begin + count) != DuckDBSuccess) return Status::io_error("out of memory");
  duckdb_list_vector_set_size(list, begin + count);
  duckdb_vector structs = duckdb_list_vector_get_child(list);
  for (size_t column = 0; column < rows.columns.size(); ++column) {
    write_values(rows.columns[column], first, count, duckdb_struct_vector_get_child(structs, column), begin);
  }
  return Status();
}

Status write_lists(const ListFunction& function, duckdb_data_chunk input, duckdb_vector output) {
  const Table calls = read_calls(input, function.parameters);
  const idx_t call_count = duckdb_data_chunk_get_size(input);
  auto* lists = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(output));
  for (idx_t call = 0; call < call_count; ++call) lists[call] = {.offset = 0, .length = 0};
  return function.rows(calls, [&](size_t call, const Table& rows, size_t first, size_t count) {
    duckdb_list_entry& entry = lists[call];
    const idx_t end = duckdb_list_vector_get_size(output);
    if (entry.length == 0) entry.offset = end;
    if (entry.offset + entry.length != end) return Status::io_error("the rows of a list are given apart");
    SB_RETURN_IF_ERROR(append_rows(rows, first, count, output));
    entry.length += count;
    return Status();
  });
}

void call_list_function(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const auto& function = *static_cast<const ListFunction*>(duckdb_scalar_function_get_extra_info(info));
  const Status status = write_lists(function, input, output);
  if (!status.ok()) duckdb_scalar_function_set_error(info, function_error(status).c_str());
}

// ---- Functions of ours that give values -----------------------------------------------------------------------------

// The texts of a vector.
std::vector<std::string_view> texts_of(duckdb_vector vector, idx_t count) {
  auto* const texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
  std::vector<std::string_view> views(count);
  for (idx_t row = 0; row < count; ++row) {
    views[row] = {duckdb_string_t_data(&texts[row]), duckdb_string_t_length(texts[row])};
  }
  return views;
}

Result<ValueFunction::Calls> read_value_calls(duckdb_data_chunk input, const std::vector<ColumnType>& parameters) {
  ValueFunction::Calls calls = {.count = duckdb_data_chunk_get_size(input), .columns = {}};
  for (size_t i = 0; i < parameters.size(); ++i) {
    duckdb_vector vector = duckdb_data_chunk_get_vector(input, i);
    uint64_t* const validity = duckdb_vector_get_validity(vector);
    for (idx_t row = 0; validity != nullptr && row < calls.count; ++row) {
      if (!duckdb_validity_row_is_valid(validity, row)) return Status::damaged("a row of a pack holds a NULL");
    }
    ValueFunction::Calls::Column& column = calls.columns.emplace_back();
    if (parameters[i] == ColumnType::text) {
      column.texts = texts_of(vector, calls.count);
    } else {
      column.integers = {static_cast<const int64_t*>(duckdb_vector_get_data(vector)), calls.count};
    }
  }
  return calls;
}

// Neighbours are often the same text: it is written once, and the rows refer to it.
void write_texts(const std::vector<std::string_view>& texts, duckdb_vector output) {
  duckdb_selection_vector places = duckdb_create_selection_vector(texts.size());
  sel_t* const numbers = duckdb_selection_vector_get_data_ptr(places);
  sel_t count = 0;
  for (size_t row = 0; row < texts.size(); ++row) {
    const bool is_new = row == 0 || texts[row].data() != texts[row - 1].data() || texts[row] != texts[row - 1];
    if (is_new) duckdb_vector_assign_string_element_len(output, count++, texts[row].data(), texts[row].size());
    numbers[row] = count - 1;
  }
  if (count < texts.size()) duckdb_slice_vector(output, places, texts.size());
  duckdb_destroy_selection_vector(places);
}

Status write_values(const ValueFunction& function, duckdb_data_chunk input, duckdb_vector output) {
  SB_ASSIGN_OR_RETURN(const ValueFunction::Calls calls, read_value_calls(input, function.parameters));
  ValueFunction::Values values;
  if (function.result == ColumnType::text) {
    values.texts.resize(calls.count);
  } else if (function.result == ColumnType::real) {
    values.reals = {static_cast<double*>(duckdb_vector_get_data(output)), calls.count};
  } else {
    values.integers = {static_cast<int64_t*>(duckdb_vector_get_data(output)), calls.count};
  }
  SB_RETURN_IF_ERROR(function.values(calls, values));
  if (function.result == ColumnType::text) write_texts(values.texts, output);
  return Status();
}

void call_value_function(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const auto& function = *static_cast<const ValueFunction*>(duckdb_scalar_function_get_extra_info(info));
  const Status status = write_values(function, input, output);
  if (!status.ok()) duckdb_scalar_function_set_error(info, function_error(status).c_str());
}

// ---- Results --------------------------------------------------------------------------------------------------------

bool is_huge(duckdb_type type) { return type == DUCKDB_TYPE_HUGEINT || type == DUCKDB_TYPE_UHUGEINT; }

std::string take_error(duckdb_error_data& error) {
  std::string message;
  if (error != nullptr && duckdb_error_data_has_error(error)) message = text_of(duckdb_error_data_message(error));
  duckdb_destroy_error_data(&error);
  return message;
}

// A result on its way out. It owns all that DuckDB needs.
struct ResultStream {
  ~ResultStream() {
    if (first != nullptr) duckdb_destroy_data_chunk(&first);
    for (duckdb_logical_type& type : types) duckdb_destroy_logical_type(&type);
    duckdb_destroy_arrow_options(&options);
  }

  std::shared_ptr<Database> database;
  std::shared_ptr<Connection> connection;
  std::shared_ptr<const PinnedPaths> pinned;
  Prepared prepared;
  QueryResult result;
  duckdb_arrow_options options = nullptr;
  std::vector<std::string> names;
  std::vector<duckdb_logical_type> types;  // as sent: BIGINT where DuckDB has HUGEINT
  std::vector<duckdb_type> sources;        // as DuckDB has them
  bool has_huge = false;
  duckdb_data_chunk first = nullptr;  // fetched already
  bool has_first = false;
  Status failure;

  void start();
  bool narrow_column(duckdb_vector from, duckdb_vector to, idx_t row_count, size_t column);
  bool narrow(duckdb_data_chunk* chunk);
  std::string find_cause();
  // The next chunk. None at the end, and after a failure.
  duckdb_data_chunk fetch();
  int fail(Status status) {
    failure = std::move(status);
    return error_number();
  }
  // What kind of failure it is, as far as errno has words for it.
  int error_number() const {
    switch (failure.code()) {
      case StatusCode::ok:
        return 0;
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
      failure = Status::invalid(
          fmt::format("column \"{}\" holds a whole number of more than 64 bits: cast it, as in CAST({} AS DOUBLE)",
                      names[column], quote_sql_name(names[column])));
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

// When one thread of a query fails, DuckDB stops the others, and may report that they were stopped instead of why. The
// query fails again when it runs again; mostly the first time it is asked, one of the threads says why.
std::string ResultStream::find_cause() {
  constexpr int kAttempts = 5;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    QueryResult again;
    if (duckdb_execute_prepared_streaming(prepared.get(), again.get()) == DuckDBSuccess) {
      while (duckdb_data_chunk chunk = duckdb_fetch_chunk(*again.get())) duckdb_destroy_data_chunk(&chunk);
    }
    const char* message = duckdb_result_error(again.get());
    if (message != nullptr && *message != '\0' && !is_interruption(message)) return message;
  }
  return "a part of the query failed, and DuckDB does not say why: run it again";
}

int get_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  auto& state = *static_cast<ResultStream*>(stream->private_data);
  std::vector<const char*> names;
  for (const std::string& name : state.names) names.push_back(name.c_str());
  duckdb_error_data error = duckdb_to_arrow_schema(state.options, state.types.data(), names.data(), names.size(), out);
  std::string message = take_error(error);
  return message.empty() ? 0 : state.fail(duckdb_error(message));
}

// The end and a failure look alike, but for the message.
duckdb_data_chunk ResultStream::fetch() {
  duckdb_data_chunk chunk = duckdb_fetch_chunk(*result.get());
  if (chunk != nullptr) return chunk;
  const char* message = duckdb_result_error(result.get());
  if (message == nullptr || *message == '\0') return nullptr;
  failure = with_paths(duckdb_error(is_interruption(message) ? find_cause() : message), pinned);
  return nullptr;
}

int get_next(ArrowArrayStream* stream, ArrowArray* out) {
  auto& state = *static_cast<ResultStream*>(stream->private_data);
  out->release = nullptr;
  if (!state.failure.ok()) return state.error_number();
  duckdb_data_chunk chunk = state.has_first ? state.first : state.fetch();
  if (state.has_first) state.first = nullptr;
  state.has_first = false;
  if (chunk == nullptr) return state.error_number();
  if (!state.has_huge || state.narrow(&chunk)) {
    duckdb_error_data error = duckdb_data_chunk_to_arrow(state.options, chunk, out);
    const std::string message = take_error(error);
    if (!message.empty()) state.failure = with_paths(duckdb_error(message), state.pinned);
  }
  duckdb_destroy_data_chunk(&chunk);
  return state.error_number();
}

const char* get_last_error(ArrowArrayStream* stream) {
  const auto& state = *static_cast<const ResultStream*>(stream->private_data);
  return state.failure.ok() ? nullptr : state.failure.message().c_str();
}

void release_stream(ArrowArrayStream* stream) {
  delete static_cast<ResultStream*>(stream->private_data);
  stream->private_data = nullptr;
  stream->release = nullptr;
}

// ---- What connections do --------------------------------------------------------------------------------------------

Status DuckDbConnection::run(const std::string& sql) { return with_paths(run_sql(get(), sql), pinned_); }

Result<TextRows> DuckDbConnection::fetch(const std::string& sql, const std::string* parameter) {
  Prepared prepared;
  SB_RETURN_IF_ERROR(with_paths(prepare(get(), sql, prepared), pinned_));
  if (parameter != nullptr) duckdb_bind_varchar_length(prepared.get(), 1, parameter->data(), parameter->size());
  QueryResult result;
  if (duckdb_execute_prepared(prepared.get(), result.get()) != DuckDBSuccess) {
    return with_paths(duckdb_error(text_of(duckdb_result_error(result.get()))), pinned_);
  }
  TextRows rows;
  const idx_t column_count = duckdb_column_count(result.get());
  while (duckdb_data_chunk chunk = duckdb_fetch_chunk(*result.get())) {
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

Connection::Parsed DuckDbConnection::parse(const std::string& sql) {
  const Statements statements(get(), sql);
  return {.statement_count = statements.count(), .error = statements.error()};
}

Status DuckDbConnection::add_row_reader(const std::string& name, RowReader reader) {
  SB_ASSIGN_OR_RETURN(duckdb_logical_type rows, row_type(get(), reader.columns));
  const auto shared = std::make_shared<const RowReader>(std::move(reader));
  duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
  duckdb_logical_type texts = duckdb_create_list_type(text);
  duckdb_scalar_function_set overloads = duckdb_create_scalar_function_set(name.c_str());
  for (const bool is_list : {false, true}) {
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(function, name.c_str());
    duckdb_scalar_function_add_parameter(function, is_list ? texts : text);
    duckdb_scalar_function_set_return_type(function, rows);
    duckdb_scalar_function_set_function(function, call_row_reader);
    duckdb_scalar_function_set_special_handling(function);  // NULL is a path without rows
    duckdb_scalar_function_set_volatile(function);  // files are read when the query runs, not when it is planned
    duckdb_scalar_function_set_extra_info(function, new RowReaderState{database_, shared, is_list},
                                          [](void* state) { delete static_cast<RowReaderState*>(state); });
    duckdb_add_scalar_function_to_set(overloads, function);
    duckdb_destroy_scalar_function(&function);
  }
  const duckdb_state registered = duckdb_register_scalar_function_set(get(), overloads);
  duckdb_destroy_scalar_function_set(&overloads);
  for (duckdb_logical_type* type : {&texts, &text, &rows}) duckdb_destroy_logical_type(type);
  return registered == DuckDBSuccess ? Status() : Status::io_error("DuckDB does not take the function " + name);
}

Status DuckDbConnection::add_list_function(const std::string& name, ListFunction function) {
  std::vector<RowReader::Column> columns;
  for (const TableColumn& column : function.columns.columns) columns.push_back({column.name, type_name(column.type)});
  SB_ASSIGN_OR_RETURN(duckdb_logical_type rows, row_type(get(), columns));
  duckdb_scalar_function made = duckdb_create_scalar_function();
  duckdb_scalar_function_set_name(made, name.c_str());
  for (const ListFunction::Parameter& parameter : function.parameters) {
    duckdb_logical_type type = duckdb_create_logical_type(parameter.type == ColumnType::int64   ? DUCKDB_TYPE_BIGINT
                                                          : parameter.type == ColumnType::real  ? DUCKDB_TYPE_DOUBLE
                                                          : parameter.type == ColumnType::bytes ? DUCKDB_TYPE_BLOB
                                                                                                : DUCKDB_TYPE_VARCHAR);
    duckdb_scalar_function_add_parameter(made, type);
    duckdb_destroy_logical_type(&type);
  }
  duckdb_scalar_function_set_return_type(made, rows);
  duckdb_scalar_function_set_function(made, call_list_function);
  duckdb_scalar_function_set_special_handling(made);  // NULLs are the function's to judge
  duckdb_scalar_function_set_volatile(made);          // files are read when the query runs, not when it is planned
  duckdb_scalar_function_set_extra_info(made, new ListFunction(std::move(function)),
                                        [](void* state) { delete static_cast<ListFunction*>(state); });
  const duckdb_state registered = duckdb_register_scalar_function(get(), made);
  duckdb_destroy_scalar_function(&made);
  duckdb_destroy_logical_type(&rows);
  return registered == DuckDBSuccess ? Status() : Status::io_error("DuckDB does not take the function " + name);
}

Status DuckDbConnection::add_value_function(const std::string& name, ValueFunction function) {
  duckdb_scalar_function made = duckdb_create_scalar_function();
  duckdb_scalar_function_set_name(made, name.c_str());
  for (const ColumnType parameter : function.parameters) {
    duckdb_logical_type type =
        duckdb_create_logical_type(parameter == ColumnType::text ? DUCKDB_TYPE_VARCHAR : DUCKDB_TYPE_BIGINT);
    duckdb_scalar_function_add_parameter(made, type);
    duckdb_destroy_logical_type(&type);
  }
  duckdb_logical_type result =
      duckdb_create_logical_type(function.result == ColumnType::text        ? DUCKDB_TYPE_VARCHAR
                                 : function.result == ColumnType::real      ? DUCKDB_TYPE_DOUBLE
                                 : function.result == ColumnType::timestamp ? DUCKDB_TYPE_TIMESTAMP_TZ
                                                                            : DUCKDB_TYPE_BIGINT);
  duckdb_scalar_function_set_return_type(made, result);
  duckdb_destroy_logical_type(&result);
  duckdb_scalar_function_set_function(made, call_value_function);
  duckdb_scalar_function_set_special_handling(made);  // a NULL is damage
  duckdb_scalar_function_set_extra_info(made, new ValueFunction(std::move(function)),
                                        [](void* state) { delete static_cast<ValueFunction*>(state); });
  const duckdb_state registered = duckdb_register_scalar_function(get(), made);
  duckdb_destroy_scalar_function(&made);
  return registered == DuckDBSuccess ? Status() : Status::io_error("DuckDB does not take the function " + name);
}

// ---- The database ---------------------------------------------------------------------------------------------------

class DuckDbDatabase : public Database, public std::enable_shared_from_this<DuckDbDatabase> {
 public:
  ~DuckDbDatabase() override { duckdb_close(&handle_); }

  Status open(const Options& options);
  Result<std::shared_ptr<Connection>> connect() override;
  Status stream(std::shared_ptr<Connection> connection, const std::string& sql, bool only_reads,
                ArrowArrayStream* stream) override {
    return with_paths(start_stream(std::move(connection), sql, only_reads, stream), pinned_);
  }

 private:
  Status start_stream(std::shared_ptr<Connection> connection, const std::string& sql, bool only_reads,
                      ArrowArrayStream* stream);

  std::shared_ptr<PinnedPaths> pinned_;
  duckdb_database handle_ = nullptr;
};

Status DuckDbDatabase::open(const Options& options) {
  pinned_ = options.pinned;
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess) return Status::io_error("DuckDB cannot start: out of memory");
  if (options.allowed_directories.has_value()) {
    duckdb_set_config(config, "autoinstall_known_extensions", "false");
    duckdb_set_config(config, "autoload_known_extensions", "false");
    duckdb_set_config(config, "allow_persistent_secrets", "false");
  }
  // Queries larger than memory spill there, and not into the user's directory.
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  const std::string spill = (error ? std::filesystem::path("/tmp") : temporary) /
                            fmt::format("signalbook-{}-{}", ::getpid(), static_cast<const void*>(this));
  duckdb_set_config(config, "temp_directory", spill.c_str());
  char* message = nullptr;
  const duckdb_state opened = duckdb_open_ext(nullptr, &handle_, config, &message);
  duckdb_destroy_config(&config);
  if (opened != DuckDBSuccess) {
    Status status = Status::io_error(text_of(message));
    duckdb_free(message);
    return status;
  }
  const ConnectionHandle connection(handle_);
  if (!connection.is_open()) return Status::io_error("DuckDB gives no connection");
  // An index may be replaced between two looks at it, and DuckDB's caches of footers and pages tell versions of a file
  // apart by a time in seconds.
  SB_RETURN_IF_ERROR(run_sql(connection.get(),
                             "SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = false; SET GLOBAL "
                             "enable_external_file_cache = false"));
  if (!options.allowed_directories.has_value()) return Status();
  const auto list = [](const std::vector<std::string>& paths) {
    std::string texts;
    for (const std::string& path : paths) texts += (texts.empty() ? "" : ", ") + quote_sql_text(path);
    return "[" + texts + "]";
  };
  // Of /proc/self/fd these names and no other: all that the process has open stands there.
  const std::vector<std::string> names = pinned_ == nullptr ? std::vector<std::string>() : pinned_->names();
  return run_sql(connection.get(), "SET allowed_directories = " + list(*options.allowed_directories) +
                                       "; SET allowed_paths = " + list(names) +
                                       "; SET enable_external_access = false; SET lock_configuration = true");
}

Result<std::shared_ptr<Connection>> DuckDbDatabase::connect() {
  auto connection = std::make_shared<DuckDbConnection>(handle_, pinned_);
  if (!connection->is_open()) return Status::io_error("DuckDB gives no connection");
  return std::shared_ptr<Connection>(std::move(connection));
}

Status DuckDbDatabase::start_stream(std::shared_ptr<Connection> connection, const std::string& sql, bool only_reads,
                                    ArrowArrayStream* stream) {
  const duckdb_connection handle = static_cast<const DuckDbConnection&>(*connection).get();
  const Statements statements(handle, sql);
  if (statements.count() == 0) {
    const std::string error = statements.error();
    return Status::invalid(error.empty() ? "there is no statement" : error);
  }
  auto result = std::make_unique<ResultStream>();
  if (only_reads && statements.count() > 1) return Status::invalid(kNotOnlyReading);
  for (idx_t i = 0; i + 1 < statements.count(); ++i) {
    Prepared prepared;
    SB_RETURN_IF_ERROR(statements.prepare(i, prepared));
    QueryResult ignored;
    if (duckdb_execute_prepared(prepared.get(), ignored.get()) != DuckDBSuccess) {
      return duckdb_error(text_of(duckdb_result_error(ignored.get())));
    }
  }
  SB_RETURN_IF_ERROR(statements.prepare(statements.count() - 1, result->prepared));
  const duckdb_statement_type type = duckdb_prepared_statement_type(result->prepared.get());
  if (only_reads && type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return Status::invalid(kNotOnlyReading);
  }
  if (duckdb_execute_prepared_streaming(result->prepared.get(), result->result.get()) != DuckDBSuccess) {
    const std::string message = text_of(duckdb_result_error(result->result.get()));
    return duckdb_error(is_interruption(message) ? result->find_cause() : message);
  }
  result->pinned = pinned_;
  result->database = shared_from_this();
  result->connection = std::move(connection);
  result->start();
  // Most failures come with the first rows, when nothing has been told to anybody: a file that cannot be read, a bad
  // cast.
  result->first = result->fetch();
  result->has_first = true;
  if (!result->failure.ok()) return result->failure;
  *stream = {.get_schema = get_schema,
             .get_next = get_next,
             .get_last_error = get_last_error,
             .release = release_stream,
             .private_data = result.release()};
  return Status();
}

}  // namespace

Result<std::shared_ptr<Database>> Database::open(const Options& options) {
  auto database = std::make_shared<DuckDbDatabase>();
  SB_RETURN_IF_ERROR(database->open(options));
  return std::shared_ptr<Database>(std::move(database));
}

}  // namespace signalbook
