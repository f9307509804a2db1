#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "format/signal_matrix.h"
#include "store/table.h"

namespace signalbook {

// A stretch of one numeric column as it lies in memory; valid during the call that hands it over.
struct NumberSlice {
  ElementType type = ElementType::float64;
  const void* values = nullptr;  // dense; NULL in the file is NaN here
  int64_t count = 0;
};

// A file of columns that somebody else wrote: CSV, Parquet or Arrow IPC. Messages do not name the file: the caller
// does, who knows what it was for. Rows are numbered from 0 here and from 1 in messages.
class ColumnInput {
 public:
  virtual ~ColumnInput() = default;

  const std::vector<std::string>& column_names() const { return column_names_; }
  // The number of the column of that name, or -1.
  int find_column(std::string_view name) const;

  // In CSV everything is text, and what it means is told by its looks. Elsewhere text is text.
  virtual bool is_untyped() const { return false; }
  // Whether one column can be had without reading the others, so that memory does not grow with their number.
  virtual bool reads_columns_alone() const { return false; }

  // Visits the rows of these columns, in order, some thousands at a time; the tables have the columns asked for.
  using TableVisitor = std::function<Status(int64_t first_row, const Table& rows)>;
  virtual Status scan(const std::vector<int>& columns, const TableVisitor& visit) = 0;

  // Whether rows come while they are produced: then a scan is possible only once.
  virtual bool is_stream() const { return false; }
  // From within a visit: the rows have said that they end. Of a file its end says so too, and this does nothing.
  virtual void stop() {}
  // After a scan: whether the rows are all there are.
  virtual bool is_ended() const { return true; }

  // Visits one numeric column, if this file can hand it over without a detour. `handled` is false if not.
  using NumberVisitor = std::function<Status(int64_t first_row, const NumberSlice& slice)>;
  virtual Status scan_numbers(int /*column*/, const NumberVisitor& /*visit*/, bool* handled) {
    *handled = false;
    return Status();
  }

 protected:
  // Invalid when a name stands twice.
  Status set_column_names(std::vector<std::string> names);

 private:
  std::vector<std::string> column_names_;
};

// Opens a file by what its first bytes say. NotFound or Invalid, naming the file.
Result<std::unique_ptr<ColumnInput>> open_column_input(const std::string& path);

Result<std::unique_ptr<ColumnInput>> open_csv_input(const std::string& path);
Result<std::unique_ptr<ColumnInput>> open_parquet_input(const std::string& path);
Result<std::unique_ptr<ColumnInput>> open_ipc_input(const std::string& path);

}  // namespace signalbook
