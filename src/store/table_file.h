#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "store/table.h"

namespace signalbook {

struct TableFileOptions {
  std::vector<std::pair<std::string, std::string>> metadata = {};  // of the file, key and value
  std::vector<std::string> delta_columns = {};                     // integers and times that grow in even steps
};

// Makes a Parquet file (zstd, page checksums, statistics, no ARROW:schema) of tables that come one after the other,
// each a row group, so that a long table need not be whole in memory. Same tables, same bytes.
class TableFileEncoder {
 public:
  explicit TableFileEncoder(TableFileOptions options);
  ~TableFileEncoder();

  Status append(const Table& table);  // the same columns each time
  Result<std::string> finish();       // the bytes of the file; after one append at least

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A table that is whole.
Result<std::string> encode_table_file(const Table& table, const TableFileOptions& options = {});

// The named columns of a Parquet file, or all of them; one that is not there is left out. Damaged, naming
// `file_name`, when it cannot be read. `metadata`, where given, receives the file's own.
Result<Table> decode_table_file(std::string_view bytes, const std::string& file_name,
                                const std::vector<std::string>& columns = {},
                                std::vector<std::pair<std::string, std::string>>* metadata = nullptr);

}  // namespace signalbook
