#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace signalbook {

// The tar format (POSIX pax; plain ustar where that is enough), streamed: no file is held in memory. The same files
// give the same bytes.

// Where the bytes of a tar go.
using TarSink = std::function<Status(std::string_view bytes)>;
// Where they come from: fills what it can, returns how many bytes; 0 at the end.
using TarSource = std::function<Result<size_t>(std::span<char> into)>;

class TarWriter {
 public:
  static Result<std::unique_ptr<TarWriter>> open(TarSink sink);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  // `name` is UTF-8. Owner 0, mode 0644. Exactly `size` bytes are to be appended.
  Status begin_file(const std::string& name, int64_t size, int64_t modified_seconds);
  Status append(std::string_view bytes);
  // The last thing. Without it what was written is no whole tar.
  Status finish();

 private:
  struct State;
  explicit TarWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct TarEntry {
  enum class Kind { file, directory, other };  // other: links, devices, pipes, and files with holes

  std::string name;  // as it stands there: whoever makes a path of it looks at it first
  Kind kind = Kind::file;
  int64_t size = 0;
};

class TarReader {
 public:
  // Damaged when it is no tar.
  static Result<std::unique_ptr<TarReader>> open(TarSource source);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  // The next entry; nothing at the end. Damaged when it is cut off or no tar any more.
  Result<std::optional<TarEntry>> next();
  // Bytes of the entry; 0 at its end.
  Result<size_t> read(std::span<char> into);

 private:
  struct State;
  explicit TarReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace signalbook
