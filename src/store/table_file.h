#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "store/byte_sink.h"
#include "store/table.h"

namespace signalbook {

struct TableFileOptions {
  std::vector<std::pair<std::string, std::string>> metadata = {};  // of the file, key and value
  // Text columns before all others, name and text: the same on every row.
  std::vector<std::pair<std::string, std::string>> constants = {};
  std::vector<std::string> delta_columns = {};   // integers and times that grow in even steps
  std::vector<std::string> plain_columns = {};   // no dictionary: hardly a value comes twice
  std::vector<std::string> opaque_columns = {};  // the same, and no statistics: nobody asks for a range of them
  std::vector<std::string> lookup_columns = {};  // a Bloom filter: asked for single values that lie anywhere
  int64_t rows_per_group = 122'880;
};

// Makes a Parquet file (zstd, page checksums, page index, statistics, no ARROW:schema) of tables that come one after
// the other, each in row groups of its own, so that a long table need not be whole in memory. Same tables, same bytes.
class TableFileEncoder {
 public:
  // `sink` gets the bytes; none: finish() returns them.
  explicit TableFileEncoder(TableFileOptions options, ByteSink sink = nullptr);
  ~TableFileEncoder();

  Status append(const Table& table);  // the same columns each time
  // The same within one row group, which ends with end_row_group(); so that not even one needs to be in memory as a
  // table.
  Status append_part(const Table& table);
  Status end_row_group();
  static constexpr size_t kRowsOfPart = 6'144;  // a part as large as that is a few megabytes
  Result<std::string> finish();                 // after one append at least

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A table that is whole.
Result<std::string> encode_table_file(const Table& table, const TableFileOptions& options = {});

// Columns of a few rows of a table file; what they are called must not depend on the rows.
using ColumnsOfRows = std::function<Result<Table>(size_t first_row, size_t count)>;

// The same table with these columns in place of those of the same names; one that is not there comes behind the one
// before it. All other columns stay as they are, whatever they are, and so do the row groups, of which one is in memory
// at a time. `sink` gets the bytes. Damaged, naming `file_name`, when the file cannot be read.
Status replace_columns(std::string_view bytes, const std::string& file_name, const ColumnsOfRows& columns,
                       const TableFileOptions& options, const ByteSink& sink);

// A column of a Parquet file as the file declares it.
struct FileColumn {
  std::string name;
  std::string type;  // physical, and what it means: "INT64", "INT64 TIMESTAMP(MICROS, UTC)", "BYTE_ARRAY STRING"
  bool is_nullable = false;

  bool operator==(const FileColumn&) const = default;
};

// The named columns of a Parquet file, or all of them; one that is not there is left out. Damaged, naming
// `file_name`, when it cannot be read. `metadata`, where given, receives the file's own, `declared` all of its
// columns as it declares them.
Result<Table> decode_table_file(std::string_view bytes, const std::string& file_name,
                                const std::vector<std::string>& columns = {},
                                std::vector<std::pair<std::string, std::string>>* metadata = nullptr,
                                std::vector<FileColumn>* declared = nullptr);

}  // namespace signalbook
