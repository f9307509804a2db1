#include "cli/table_stream.h"

#include <cerrno>
#include <string>
#include <utility>

#include "query/arrow_c_stream.h"

namespace signalbook::cli {

namespace {

struct Pieces {
  const Table& columns;
  std::function<Status(Table&)> add_rows;
  Status failure;

  int fail(Status status) {
    failure = std::move(status);
    return EIO;
  }
};

int get_schema(ArrowArrayStream* stream, ArrowSchema* schema) {
  Pieces& pieces = *static_cast<Pieces*>(stream->private_data);
  ArrowArray none = {};
  if (Status status = table_to_arrow(pieces.columns, &none, schema); !status.ok())
    return pieces.fail(std::move(status));
  none.release(&none);
  return 0;
}

int get_next(ArrowArrayStream* stream, ArrowArray* array) {
  Pieces& pieces = *static_cast<Pieces*>(stream->private_data);
  *array = {};
  Table rows = pieces.columns;
  if (Status status = pieces.add_rows(rows); !status.ok()) return pieces.fail(std::move(status));
  if (rows.row_count() == 0) return 0;
  ArrowSchema schema = {};
  if (Status status = table_to_arrow(rows, array, &schema); !status.ok()) return pieces.fail(std::move(status));
  schema.release(&schema);
  return 0;
}

}  // namespace

Status print_pieces(const Table& columns, std::function<Status(Table&)> add_rows, const CommonOptions& options) {
  Pieces pieces = {.columns = columns, .add_rows = std::move(add_rows), .failure = Status()};
  ArrowArrayStream stream = {};
  stream.private_data = &pieces;
  stream.get_schema = get_schema;
  stream.get_next = get_next;
  stream.get_last_error = [](ArrowArrayStream* failed) {
    return static_cast<Pieces*>(failed->private_data)->failure.message().c_str();
  };
  stream.release = [](ArrowArrayStream* released) { released->release = nullptr; };
  const Status printed = print_result(&stream, options);
  return pieces.failure.ok() ? printed : pieces.failure;
}

}  // namespace signalbook::cli
