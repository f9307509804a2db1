#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/posix_file_system_handles.h"

namespace signalbook {

namespace {

// Of the descriptors that the process may have; the others are for what is opened by these names, and for the rest of
// the program.
constexpr rlim_t kSmallestShare = 4;

// Linux opens /proc/self/fd/N as the file that is open there, whatever has happened to its path.
class PosixPinnedFiles : public PinnedFiles {
 public:
  explicit PosixPinnedFiles(std::vector<FileDescriptor> places) : places_(std::move(places)) {
    for (const FileDescriptor& place : places_) names_.push_back(fmt::format("/proc/self/fd/{}", place.get()));
  }

  const std::vector<std::string>& names() const override { return names_; }

  Status pin(size_t place, const std::string& path) override {
    const FileDescriptor file(path, O_RDONLY | O_NONBLOCK);  // a pipe that nobody writes to would be waited for
    if (!file.valid()) return system_error("cannot open", path, errno);
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return system_error("cannot read", path, errno);
    if (!S_ISREG(info.st_mode)) return Status::invalid(fmt::format("{} is no regular file", path));
    const auto put = [&] { return ::dup3(file.get(), places_[place].get(), O_CLOEXEC); };
    return retrying(put) < 0 ? system_error("cannot keep open", path, errno) : Status();
  }

 private:
  std::vector<FileDescriptor> places_;
  std::vector<std::string> names_;
};

}  // namespace

// The descriptors are taken at once, so that their numbers are ours and nobody else's for as long as the names are
// known.
std::unique_ptr<PinnedFiles> reserve_posix_pins(size_t count) {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return nullptr;
  const auto most = static_cast<size_t>(std::min<rlim_t>(limit.rlim_cur / kSmallestShare, count));
  // No path leads there: who resolves the name of an empty place, to allow it, is left with the name.
  const FileDescriptor nothing(::memfd_create("empty", MFD_CLOEXEC));
  if (!nothing.valid()) return nullptr;
  constexpr int kFirst = 3;  // a program whose standard output is closed does not want a file there
  std::vector<FileDescriptor> places;
  while (places.size() < most) {
    FileDescriptor place(::fcntl(nothing.get(), F_DUPFD_CLOEXEC, kFirst));
    if (!place.valid()) break;
    places.push_back(std::move(place));
  }
  if (places.empty()) return nullptr;
  auto pins = std::make_unique<PosixPinnedFiles>(std::move(places));
  // Without /proc, or with one of another process.
  struct stat named, ours;
  const bool is_there = ::stat(pins->names().front().c_str(), &named) == 0 && ::fstat(nothing.get(), &ours) == 0;
  if (!is_there || named.st_dev != ours.st_dev || named.st_ino != ours.st_ino) return nullptr;
  return pins;
}

}  // namespace signalbook
