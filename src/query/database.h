#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "query/pinned_paths.h"
#include "store/table.h"

struct ArrowArrayStream;  // the Arrow C stream interface: a plain struct that any Arrow library reads

namespace signalbook {

// DuckDB, without a word of DuckDB: a database in memory that reads Parquet files, and connections to it. Nothing here
// knows what a run or a strategy is.

using TextRows = std::vector<std::vector<std::string>>;

class Connection;

// Where the rows of files come from that a query names row by row: see Connection::add_row_reader.
struct RowReader {
  using Paths = std::vector<std::string>;  // what one row names: a path, or the paths of a list

  struct Column {
    std::string name;
    std::string type;  // as DuckDB's DESCRIBE writes it
  };
  std::vector<Column> columns;
  // A SELECT for what these rows name: an ordinal (BIGINT, which of the rows) and then the columns, in their order; any
  // column beyond them is one that the files have and the reader does not give. The rows of an ordinal stand together.
  // Called from any thread, with a connection of its own.
  struct Select {
    std::string sql;
    std::vector<int64_t> row_counts;  // by ordinal, where it is known how many rows there must be; -1 where not
  };
  std::function<Result<Select>(Connection& connection, const std::vector<Paths>& rows)> select;
  // Why the result of that SELECT has such a column.
  std::function<Status(Connection& connection, const std::vector<Paths>& rows, const std::string& column)> refuse;
};

// A function that gives a list of rows, as structs, for what it is called with.
struct ListFunction {
  struct Parameter {
    std::string name;
    ColumnType type = ColumnType::text;  // int64, real, text or bytes
  };
  std::vector<Parameter> parameters;
  Table columns;  // without rows: boolean, int64, real, text or timestamp

  // Adds rows [first, first + count) of a table with these columns to the list of a call.
  using Give = std::function<Status(size_t call, const Table& rows, size_t first, size_t count)>;
  // Gives the lists of some calls, a row of `calls` each, one list after the other. What has been given is in memory
  // until all are. Called from any thread.
  std::function<Status(const Table& calls, const Give& give)> rows;
};

// A function that gives a value for each row that it is called with. What it is called with is never NULL.
struct ValueFunction {
  std::vector<ColumnType> parameters;     // int64 or text
  ColumnType result = ColumnType::int64;  // int64, real, text or timestamp

  struct Calls {
    struct Column {
      std::span<const int64_t> integers;
      std::vector<std::string_view> texts;
    };
    size_t count = 0;
    std::vector<Column> columns;
  };
  struct Values {  // one a call: of these the one that fits the result
    std::span<int64_t> integers;
    std::span<double> reals;
    std::vector<std::string_view> texts;
    std::vector<std::shared_ptr<const void>> owners;  // of these texts
  };
  // Called from any thread. The same arguments give the same value.
  std::function<Status(const Calls& calls, Values& values)> values;
};

class Connection {
 public:
  virtual ~Connection() = default;

  // Statements of ours, without a result.
  virtual Status run(const std::string& sql) = 0;

  // A small result of ours: every column is VARCHAR, NULL becomes "". `parameter` is bound where it is given.
  virtual Result<TextRows> fetch(const std::string& sql, const std::string* parameter = nullptr) = 0;

  // How many statements a text holds, or the parser's message, which shows the place.
  struct Parsed {
    size_t statement_count = 0;
    std::string error;
  };
  virtual Parsed parse(const std::string& sql) = 0;

  // Makes name(path) and name(list of paths), functions that give a list of the rows of these files, as structs; NULL
  // has none. With `SELECT unnest(r) FROM (SELECT unnest(name(path)) AS r)` that is a table function that takes
  // columns. For the whole database; an existing one of that name stays.
  virtual Status add_row_reader(const std::string& name, RowReader reader) = 0;

  // Makes name(parameters...), likewise.
  virtual Status add_list_function(const std::string& name, ListFunction function) = 0;
  virtual Status add_value_function(const std::string& name, ValueFunction function) = 0;
};

class Database {
 public:
  struct Options {
    // What statements may read. Nothing: everything, and they may write and change settings as well.
    std::optional<std::vector<std::string>> allowed_directories;
    // Names that they may read as well, and that messages tell by their paths. Kept as long as a result is.
    std::shared_ptr<PinnedPaths> pinned;
  };
  static Result<std::shared_ptr<Database>> open(const Options& options);

  virtual ~Database() = default;
  virtual Result<std::shared_ptr<Connection>> connect() = 0;

  // Runs the statements of a text; the result of the last streams out, for the caller to release. The stream keeps
  // database and connection alive. With `only_reads` the text must be one SELECT or EXPLAIN.
  virtual Status stream(std::shared_ptr<Connection> connection, const std::string& sql, bool only_reads,
                        ArrowArrayStream* stream) = 0;
};

// That a text is not one that only reads.
inline constexpr const char* kNotOnlyReading = "not a statement that only reads";

}  // namespace signalbook
