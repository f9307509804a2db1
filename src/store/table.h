#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct ArrowArray;  // the Arrow C data and stream interfaces: plain structs
struct ArrowArrayStream;
struct ArrowSchema;

namespace signalbook {

enum class ColumnType : uint8_t {
  boolean,
  int32,
  int64,
  real,       // DOUBLE
  text,       // STRING
  timestamp,  // microseconds since 1970 UTC
  bytes,      // FIXED_LEN_BYTE_ARRAY of `width`
  text_list,  // LIST<STRING>
};

// A column of values with NULLs, in the one vector that fits its type.
struct TableColumn {
  std::string name;
  ColumnType type = ColumnType::int64;
  int width = 0;                  // of `bytes`
  bool time_zone_given = true;    // false where times came without one and were taken for UTC
  std::vector<uint8_t> valid;     // 0 is NULL; empty when nothing is NULL
  std::vector<int64_t> integers;  // boolean, int32, int64, timestamp
  std::vector<double> reals;
  std::vector<std::string> texts;  // text, bytes
  std::vector<std::vector<std::string>> lists;

  size_t size() const;
  bool is_null(size_t row) const { return !valid.empty() && valid[row] == 0; }

  void append_null();
  void append_integer(int64_t value);
  void append_real(double value);
  void append_text(std::string value);
  // Nothing is NULL.
  void append_integer(std::optional<int64_t> value);
  void append_real(std::optional<double> value);
  void append_list(std::vector<std::string> value);
};

// Columns of one length: what passes between Parquet files and the rest of the store.
struct Table {
  std::vector<TableColumn> columns;

  size_t row_count() const { return columns.empty() ? 0 : columns.front().size(); }
  const TableColumn* find(std::string_view name) const;
  TableColumn* find(std::string_view name);
  TableColumn& add(std::string name, ColumnType type, int width = 0);  // the reference lasts until the next add
};

// Takes over a record batch of the Arrow C data interface. Integers of every width become int64, floats real,
// dictionaries their values, dates and times of every unit timestamps. Invalid, naming column and row, where a value
// does not fit (a time with nanoseconds, an integer beyond int64) or the type has no counterpart here.
Result<Table> table_from_arrow(ArrowArray* batch, ArrowSchema* schema);

// A whole stream at once; for small results. Releases the stream.
Result<Table> table_from_stream(ArrowArrayStream* stream);

// A record batch, or a stream of one, for the caller to release.
Status table_to_arrow(const Table& table, ArrowArray* array, ArrowSchema* schema);
Status table_to_stream(const Table& table, ArrowArrayStream* stream);

}  // namespace signalbook
