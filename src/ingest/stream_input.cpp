#include "ingest/stream_input.h"

#include <fmt/format.h>

#include <string_view>

#include "ingest/foreign_format.h"

namespace signalbook {

namespace {

constexpr std::string_view kArrowStream = "\xff\xff\xff\xff", kArrowFile = "ARROW1", kParquet = "PAR1";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf", kBlank = " \t\r\n";

// Whether the beginning says what it is, or would with more of it.
bool is_decided(std::string_view start) {
  for (const std::string_view magic : {kArrowStream, kArrowFile, kParquet, kByteOrderMark}) {
    if (start.size() < magic.size() && magic.starts_with(start)) return false;
  }
  return !may_become_foreign_format(start) && start.find_first_not_of(kBlank) != std::string_view::npos;
}

}  // namespace

Status StreamInput::closed_early() const { return Status::not_found("it closed before the first row came"); }

Status StreamInput::refuse_rows_behind_end(std::string rest, int64_t row_count) {
  SB_RETURN_IF_ERROR(bytes_->read_at_hand(&rest));
  if (rest.find_first_not_of(kBlank) == std::string::npos) return Status();
  return Status::invalid(fmt::format("row {}: there is a row behind the end of the stream", row_count + 1));
}

Result<std::unique_ptr<StreamInput>> open_stream_input(std::unique_ptr<ByteStream> bytes,
                                                       const StreamInput::Options& options) {
  std::string start;
  while (!bytes->is_at_end() && !is_decided(start)) SB_RETURN_IF_ERROR(bytes->read(&start));
  std::string_view text = start;
  if (text.starts_with(kArrowFile) || text.starts_with(kParquet)) {
    return Status::invalid(
        "a Parquet or Arrow IPC file cannot be read while it is written; send an Arrow IPC stream, CSV or JSON lines");
  }
  SB_RETURN_IF_ERROR(refuse_foreign_format(text));
  const bool arrow = text.starts_with(kArrowStream);
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const size_t first = text.find_first_not_of(kBlank);
  const bool json = first != std::string_view::npos && text[first] == '{';
  bytes->put_back(text);
  auto input = arrow  ? make_ipc_stream(std::move(bytes), options)
               : json ? make_json_lines_stream(std::move(bytes), options)
                      : make_csv_stream(std::move(bytes), options);
  SB_RETURN_IF_ERROR(input->open());
  return input;
}

}  // namespace signalbook
