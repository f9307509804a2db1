#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/table.h"

namespace signalbook {

// The named columns of a Parquet file, or all of them, some rows at a time, so that a long table need not be in memory.
class TableReader {
 public:
  // `bytes` stay. Damaged, naming `file_name`, when they cannot be read.
  static Result<std::unique_ptr<TableReader>> open(std::string_view bytes, const std::string& file_name,
                                                   const std::vector<std::string>& columns, size_t rows_at_a_time);
  ~TableReader();

  // As many rows as asked for in open(), or fewer; nothing behind the last.
  Result<std::optional<Table>> next();

 private:
  struct State;
  explicit TableReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace signalbook
