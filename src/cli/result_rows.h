#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/cell_format.h"
#include "cli/result_batches.h"

namespace signalbook::cli {

struct ResultColumn {
  enum class Kind { number, text, other };  // other: times and booleans

  std::string name;
  Kind kind = Kind::text;
};

// A result row by row, its values as text.
class ResultRows {
 public:
  static Result<ResultRows> open(ResultBatches& batches);
  ResultRows(ResultRows&&) noexcept;
  ~ResultRows();

  const std::vector<ResultColumn>& columns() const;

  // Goes to the next row, the first one at first; false at the end.
  Result<bool> next();

  // Of the row where it stands. NULL is nothing as text and null in JSON; what is nested is JSON in both.
  bool is_null(size_t column) const;
  Status append_value(size_t column, CellStyle style, std::string& out) const;

  // At the end: whether the limit left rows out.
  Result<bool> has_more();

 private:
  struct State;
  explicit ResultRows(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace signalbook::cli
