#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "format/json_value.h"

namespace signalbook {

// How the traces of a run lie on disk; each row of the index tells it of its own.
namespace layout {
inline constexpr const char* kFiles = "files";    // a file a trace
inline constexpr const char* kPacked = "packed";  // many traces in few files (store/pack_file.h)
}  // namespace layout

// run.json: what a run is, beside its index.
struct RunDescription {
  struct Feed {
    std::string symbol, timeframe, data_id;
    int64_t bar_count = 0;
    int64_t first_ts = 0, last_ts = 0;
    // Of the store's bars file as it was when the run was committed. Other runs share it, so a run may find the same
    // bars in other bytes. Not in every run.json.
    std::optional<int64_t> bars_size;
    std::optional<std::string> bars_sha256;  // 64 hex digits
  };
  struct FileVersion {  // the bytes that a file has
    int64_t size = 0;
    std::string sha256;  // 64 hex digits

    bool operator==(const FileVersion&) const = default;
  };
  struct File {  // a file beside run.json
    std::string path;
    int64_t size = 0;
    std::string sha256;
    // While a file is replaced, and for as long as nobody settles it where that died: what it was before. Either of the
    // two may be found.
    std::optional<FileVersion> previous = std::nullopt;
  };

  struct Writer {  // who recorded the run, and how much of its input it had handed over
    std::string name;
    int64_t position = 0;
    bool ended = false;  // it came to the end of its input
  };

  std::string run_id;
  int64_t created_at = 0;
  std::vector<Feed> feeds;
  std::optional<std::string> code_version, note;
  std::vector<std::pair<std::string, std::string>> tags;
  std::vector<Writer> writers;
  std::string layout = layout::kFiles;
  int64_t strategy_count = 0, trace_count = 0, change_count = 0;
  std::vector<File> files;
  bool is_sealed = false;  // decoded from a text that vouches for itself (store/sealed_json.h)
};

// Invalid when this program does not know how the traces of that run lie.
Status check_layout(const RunDescription& description, const std::string& run_path);

// A list of objects, as run.json has it; the view `runs` reads it too, and passes over what it does not show.
JsonValue feeds_to_json(const std::vector<RunDescription::Feed>& feeds);

// With its seal.
std::string encode_run_description(const RunDescription& description);

// The same text with the `files`, counts and layout of `description`. All else in it stays as it is and in its order,
// with what other programs or later versions have written there. `text` must be one that decode_run_description()
// reads.
Result<std::string> change_run_files(std::string_view text, const RunDescription& description);

// Damaged, naming `file_name`, when it is none or its seal is wrong (where it has one); Invalid when a newer Signalbook
// wrote it.
Result<RunDescription> decode_run_description(std::string_view text, const std::string& file_name);

}  // namespace signalbook
