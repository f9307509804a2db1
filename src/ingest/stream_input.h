#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "ingest/byte_stream.h"
#include "ingest/column_input.h"

namespace signalbook {

// Rows that are still being produced: CSV, JSON lines or an Arrow IPC stream. They are handed on as soon as they are
// whole, and can be had only once. Errors of a row name it and come after all rows before it were visited.
//
// A pipe also closes when its producer dies, so its end is not the end of the rows: that has to be said, by the reader
// of the rows (stop), by the format (the end-of-stream marker of Arrow IPC), or by the caller (end_of_file_ends).
class StreamInput : public ColumnInput {
 public:
  struct Options {
    bool end_of_file_ends = false;  // then a last row without a line end is whole, too
    int64_t first_row = 0;          // of the first row that comes; a producer that goes on begins further on
  };

  StreamInput(std::unique_ptr<ByteStream> bytes, Options options) : bytes_(std::move(bytes)), options_(options) {}

  // Learns the names of the columns, waiting for them. NotFound when the stream closes before.
  virtual Status open() = 0;

  // No rows are to come any more: the scan ends with what it has read.
  void stop() override { stopped_ = true; }
  // Whether the end was said.
  bool is_ended() const override { return stopped_ || ended_; }
  bool is_stream() const override { return true; }
  // Whether it closed in the middle of a row, which is dropped.
  bool was_torn() const { return torn_; }

 protected:
  Status closed_early() const;
  // Of rows in text, once their end was said: Invalid where more than blanks stands behind it, in `rest` or in what has
  // come by now.
  Status refuse_rows_behind_end(std::string rest, int64_t row_count);

  std::unique_ptr<ByteStream> bytes_;
  Options options_;
  bool stopped_ = false, ended_ = false, torn_ = false;
};

// Tells the format by the first bytes, for which it waits: ff ff ff ff is Arrow IPC, { is JSON lines, all else CSV.
// Invalid for formats that cannot be read while they are written.
Result<std::unique_ptr<StreamInput>> open_stream_input(std::unique_ptr<ByteStream> bytes,
                                                       const StreamInput::Options& options);

std::unique_ptr<StreamInput> make_csv_stream(std::unique_ptr<ByteStream> bytes, const StreamInput::Options& options);
std::unique_ptr<StreamInput> make_ipc_stream(std::unique_ptr<ByteStream> bytes, const StreamInput::Options& options);
// The columns are all those of the long form; a table has those that its rows have.
std::unique_ptr<StreamInput> make_json_lines_stream(std::unique_ptr<ByteStream> bytes,
                                                    const StreamInput::Options& options);

}  // namespace signalbook
