#include "support/crash_disk.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "base/posix_file_system_handles.h"

namespace signalbook {

namespace {

constexpr size_t kSector = 512;
constexpr uint64_t kRoot = 1;

enum class Bytes { durable, in_flight, dropped };

// Bytes of a file that share a fate. Files only grow, so they follow each other without gaps.
struct Extent {
  size_t begin, end;
  Bytes bytes;
};

using Entries = std::map<std::string, uint64_t>;  // the numbers of nodes

// A file or a directory.
struct Node {
  uint64_t number = 0;
  bool is_directory = false;
  int64_t modified_ns = 0;
  bool is_locked = false;
  std::string bytes;            // of a file, as it is read
  std::vector<Extent> extents;  // of its bytes
  Entries entries;              // of a directory, as it is read
  Entries durable_entries;
};

// A name in a directory.
using Place = std::pair<uint64_t, std::string>;

// A change of directories that is not durable.
struct Change {
  std::vector<std::pair<Place, uint64_t>> entries;  // what each name stands for then; 0: nothing
  uint64_t durable_with;                            // the directory
};

// What a power cut leaves of things in flight: whether the next one survives.
class Fate {
 public:
  explicit Fate(uint64_t seed) : random_(seed), none_(seed == 0), all_(seed == 1) {}

  uint64_t below(uint64_t limit) { return random_() % limit; }
  bool none() const { return none_; }

  // One answer for each of `count` things in a row: a beginning of them, all but one, or some.
  std::vector<bool> survivors(size_t count) {
    if (none_ || all_ || count == 0) return std::vector<bool>(count, all_);
    std::vector<bool> survives(count);
    const uint64_t way = below(5);
    const uint64_t special = below(count);
    const uint64_t eighths = 1 + below(7);
    for (size_t i = 0; i < count; ++i) {
      if (way == 0) survives[i] = i < special;
      if (way == 1) survives[i] = i != special;
      if (way == 2) survives[i] = i == special;
      if (way == 3) survives[i] = true;
      if (way == 4) survives[i] = below(8) < eighths;
    }
    return survives;
  }

 private:
  std::mt19937_64 random_;
  bool none_, all_;
};

std::vector<std::string> names_of(const std::string& path) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (name == "..") {
      if (!names.empty()) names.pop_back();
    } else if (!name.empty() && name != ".") {
      names.push_back(name);
    }
    begin = end + 1;
  }
  return names;
}

// The bytes of a file as a power cut leaves them. A sector is written whole, as it is read at that moment: where a byte
// of it survives, those before it in the sector do.
std::string bytes_after_crash(const Node& file, Fate& fate) {
  struct Piece {  // of one extent, in one sector
    size_t begin, end;
    bool is_durable;
  };
  std::vector<Piece> pieces;
  for (const Extent& extent : file.extents) {
    for (size_t begin = extent.begin; begin < extent.end; begin = pieces.back().end)
      pieces.push_back({begin, std::min(extent.end, (begin / kSector + 1) * kSector), extent.bytes == Bytes::durable});
  }
  std::vector<bool> survives = fate.survivors(pieces.size());
  size_t end = 0;
  std::string bytes(file.bytes.size(), '\0');
  for (size_t i = pieces.size(); i-- > 0;) {
    const Piece& piece = pieces[i];
    const bool shares_sector = i + 1 < pieces.size() && pieces[i + 1].begin % kSector != 0;
    survives[i] = survives[i] || piece.is_durable || (shares_sector && survives[i + 1]);
    if (!survives[i]) continue;
    end = std::max(end, piece.end);
    file.bytes.copy(bytes.data() + piece.begin, piece.end - piece.begin, piece.begin);
  }
  // Behind the last byte that survived the file ends, or goes on with zeros.
  const size_t lost = bytes.size() - end;
  bytes.resize(end);
  if (fate.none() || lost == 0) return bytes;
  const uint64_t way = fate.below(3);
  if (way == 1) bytes.resize(end + lost);
  if (way == 2) bytes.resize(end + fate.below(lost));
  return bytes;
}

}  // namespace

struct CrashDisk::State {
  mutable std::mutex mutex;
  std::map<uint64_t, Node> nodes;  // also those that have no name any more
  std::vector<Change> changes;     // in order
  uint64_t last_number = kRoot;
  int64_t clock_ns = 1'700'000'000'000'000'000;
  int64_t operation_count = 0;
  int64_t failing_operation = std::numeric_limits<int64_t>::max();
  bool fails_for_good = false;
  std::function<void(const Operation&)> before_each;

  Node& make_node(bool is_directory) {
    Node& node = nodes[++last_number];
    node.number = last_number;
    node.is_directory = is_directory;
    node.modified_ns = ++clock_ns;
    return node;
  }

  // Where a path leads: to 0 where nothing has the name. An errno when that cannot be said.
  struct Found {
    int error = 0;
    Place place;  // not of the root
    uint64_t number = 0;
  };
  Found find(const std::string& path) const {
    if (path.empty()) return {.error = ENOENT};
    Found found{.number = kRoot};
    for (const std::string& name : names_of(path)) {
      if (found.number == 0) return {.error = ENOENT};
      const Node& node = nodes.at(found.number);
      if (!node.is_directory) return {.error = ENOTDIR};
      const auto entry = node.entries.find(name);
      found.place = {found.number, name};
      found.number = entry == node.entries.end() ? 0 : entry->second;
    }
    return found;
  }
  Found find_existing(const std::string& path) const {
    Found found = find(path);
    if (found.error == 0 && found.number == 0) found.error = ENOENT;
    return found;
  }
  Found find_file(const std::string& path) const {
    Found found = find_existing(path);
    if (found.error == 0 && nodes.at(found.number).is_directory) found.error = EISDIR;
    return found;
  }

  // Counts an operation; returns whether it is to fail. Without the mutex, because the call may take a copy.
  bool begins(std::string_view action, const std::string& path) {
    std::unique_lock lock(mutex);
    const int64_t number = operation_count++;
    if (before_each) {
      const auto call = before_each;
      lock.unlock();
      call({number, action, path});
      lock.lock();
    }
    return fails_for_good ? number >= failing_operation : number == failing_operation;
  }

  void change(std::vector<std::pair<Place, uint64_t>> entries, uint64_t durable_with) {
    for (const auto& [place, number] : entries) {
      Node& directory = nodes.at(place.first);
      directory.modified_ns = ++clock_ns;
      if (number == 0) {
        directory.entries.erase(place.second);
      } else {
        directory.entries[place.second] = number;
      }
    }
    changes.push_back({std::move(entries), durable_with});
  }
  void change(const Place& place, uint64_t number) { change({{place, number}}, place.first); }

  void make_durable(const Change& made) {
    for (const auto& [place, number] : made.entries) {
      Entries& entries = nodes.at(place.first).durable_entries;
      if (number == 0) {
        entries.erase(place.second);
      } else {
        entries[place.second] = number;
      }
    }
  }

  // A later change of a name is durable only with the earlier ones.
  void sync_directory(uint64_t number) {
    std::set<Place> needed;
    std::vector<bool> becomes_durable(changes.size());
    for (size_t i = changes.size(); i-- > 0;) {
      const Change& made = changes[i];
      becomes_durable[i] =
          made.durable_with == number || std::any_of(made.entries.begin(), made.entries.end(),
                                                     [&](const auto& e) { return needed.contains(e.first); });
      if (!becomes_durable[i]) continue;
      for (const auto& entry : made.entries) needed.insert(entry.first);
    }
    std::vector<Change> rest;
    for (size_t i = 0; i < changes.size(); ++i) {
      if (becomes_durable[i]) {
        make_durable(changes[i]);
      } else {
        rest.push_back(std::move(changes[i]));
      }
    }
    changes = std::move(rest);
  }

  void append(Node& file, std::string_view bytes) {
    if (bytes.empty()) return;
    const size_t begin = file.bytes.size();
    file.bytes += bytes;
    file.extents.push_back({begin, file.bytes.size(), Bytes::in_flight});
    file.modified_ns = ++clock_ns;
  }

  static void settle(Node& file, Bytes fate) {
    std::vector<Extent> settled;
    for (Extent extent : file.extents) {
      if (extent.bytes == Bytes::in_flight) extent.bytes = fate;
      if (!settled.empty() && settled.back().bytes == extent.bytes) {
        settled.back().end = extent.end;
      } else {
        settled.push_back(extent);
      }
    }
    file.extents = std::move(settled);
  }

  // The numbers of what has a name, from the root on.
  std::set<uint64_t> reachable() const {
    std::set<uint64_t> seen{kRoot};
    std::vector<uint64_t> open{kRoot};
    while (!open.empty()) {
      const Node& node = nodes.at(open.back());
      open.pop_back();
      for (const auto& [name, number] : node.entries)
        if (seen.insert(number).second) open.push_back(number);
    }
    return seen;
  }

  std::shared_ptr<State> copy() const {
    const std::lock_guard lock(mutex);
    auto result = std::make_shared<State>();
    result->nodes = nodes;
    for (auto& [number, node] : result->nodes) node.is_locked = false;
    result->changes = changes;
    result->last_number = last_number;
    result->clock_ns = clock_ns;
    return result;
  }
};

class CrashDisk::OpenAppendFile : public AppendFile {
 public:
  OpenAppendFile(std::shared_ptr<State> disk, uint64_t number, std::string path)
      : disk_(std::move(disk)), number_(number), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    if (!failure_.ok()) return failure_;
    const bool fails = disk_->begins("append", path_);
    if (fails) failure_ = system_error("cannot write", path_, ENOSPC);
    const std::lock_guard lock(disk_->mutex);
    disk_->append(disk_->nodes.at(number_), bytes.substr(0, fails ? bytes.size() / 2 : bytes.size()));
    return failure_;
  }

  Status sync() override {
    if (!failure_.ok()) return failure_;
    const bool fails = disk_->begins("sync", path_);
    if (fails) failure_ = system_error("cannot sync", path_, EIO);
    const std::lock_guard lock(disk_->mutex);
    State::settle(disk_->nodes.at(number_), fails ? Bytes::dropped : Bytes::durable);
    return failure_;
  }

 private:
  std::shared_ptr<State> disk_;
  uint64_t number_;
  std::string path_;
  Status failure_;
};

class CrashDisk::OpenReadableFile : public ReadableFile {
 public:
  OpenReadableFile(std::shared_ptr<State> disk, uint64_t number, int64_t size)
      : disk_(std::move(disk)), number_(number), size_(size) {}

  int64_t size() const override { return size_; }

  Result<size_t> read(int64_t offset, std::span<char> into) override {
    const std::lock_guard lock(disk_->mutex);
    const std::string& bytes = disk_->nodes.at(number_).bytes;
    if (static_cast<size_t>(offset) >= bytes.size()) return size_t{0};
    return bytes.copy(into.data(), into.size(), static_cast<size_t>(offset));
  }

 private:
  std::shared_ptr<State> disk_;
  uint64_t number_;
  int64_t size_;
};

class CrashDisk::HeldLock : public FileLock {
 public:
  HeldLock(std::shared_ptr<State> disk, uint64_t number) : disk_(std::move(disk)), number_(number) {}
  ~HeldLock() override {
    const std::lock_guard lock(disk_->mutex);
    disk_->nodes.at(number_).is_locked = false;
  }

 private:
  std::shared_ptr<State> disk_;
  uint64_t number_;  // of the file, which may have lost its name
};

CrashDisk::CrashDisk() : state_(std::make_shared<State>()) {
  state_->nodes[kRoot] = {.number = kRoot, .is_directory = true, .modified_ns = state_->clock_ns};
}
CrashDisk::CrashDisk(std::shared_ptr<State> state) : state_(std::move(state)) {}
CrashDisk::~CrashDisk() = default;
CrashDisk::CrashDisk(CrashDisk&&) noexcept = default;
CrashDisk& CrashDisk::operator=(CrashDisk&&) noexcept = default;

CrashDisk CrashDisk::after_kill() const { return CrashDisk(state_->copy()); }

CrashDisk CrashDisk::after_crash(uint64_t seed) const {
  std::shared_ptr<State> state = state_->copy();
  Fate fate(seed);
  std::set<Place> undone;
  const std::vector<bool> survives = fate.survivors(state->changes.size());
  for (size_t i = 0; i < state->changes.size(); ++i) {
    const Change& made = state->changes[i];
    const bool possible = std::none_of(made.entries.begin(), made.entries.end(),
                                       [&](const auto& entry) { return undone.contains(entry.first); });
    if (survives[i] && possible) {
      state->make_durable(made);
    } else {
      for (const auto& entry : made.entries) undone.insert(entry.first);
    }
  }
  state->changes.clear();
  for (auto& [number, node] : state->nodes) {
    node.entries = node.durable_entries;
    if (node.is_directory) continue;
    node.bytes = bytes_after_crash(node, fate);
    node.extents = {{0, node.bytes.size(), Bytes::durable}};
  }
  const std::set<uint64_t> reachable = state->reachable();
  std::erase_if(state->nodes, [&](const auto& node) { return !reachable.contains(node.first); });
  return CrashDisk(std::move(state));
}

int64_t CrashDisk::operation_count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->operation_count;
}

void CrashDisk::fail_at(int64_t operation, bool for_good) {
  const std::lock_guard lock(state_->mutex);
  state_->failing_operation = operation;
  state_->fails_for_good = for_good;
}

void CrashDisk::before_each(std::function<void(const Operation&)> call) {
  const std::lock_guard lock(state_->mutex);
  state_->before_each = std::move(call);
}

int64_t CrashDisk::unsynced_bytes() const {
  const std::lock_guard lock(state_->mutex);
  size_t count = 0;
  for (const uint64_t number : state_->reachable())
    for (const Extent& extent : state_->nodes.at(number).extents)
      if (extent.bytes != Bytes::durable) count += extent.end - extent.begin;
  return static_cast<int64_t>(count);
}

int64_t CrashDisk::unsynced_changes() const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<int64_t>(state_->changes.size());
}

Result<std::string> CrashDisk::read_file(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_file(path);
  if (found.error == EISDIR) return Status::invalid(path + " is a directory, not a file");
  if (found.error != 0) return system_error("cannot open", path, found.error);
  return state_->nodes.at(found.number).bytes;
}

Status CrashDisk::write_new_file(const std::string& path, std::string_view bytes) {
  const bool fails = state_->begins("write", path);
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find(path);
  if (found.error != 0) return system_error("cannot create", path, found.error);
  if (found.number != 0) return system_error("cannot create", path, EEXIST);
  Node& file = state_->make_node(false);
  state_->change(found.place, file.number);
  state_->append(file, bytes.substr(0, fails ? bytes.size() / 2 : bytes.size()));
  return fails ? system_error("cannot write", path, ENOSPC) : Status();
}

Result<std::unique_ptr<AppendFile>> CrashDisk::create_append_file(const std::string& path) {
  if (state_->begins("create", path)) return system_error("cannot create", path, ENOSPC);
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find(path);
  if (found.error != 0) return system_error("cannot create", path, found.error);
  if (found.number != 0) return system_error("cannot create", path, EEXIST);
  const uint64_t number = state_->make_node(false).number;
  state_->change(found.place, number);
  return std::unique_ptr<AppendFile>(std::make_unique<OpenAppendFile>(state_, number, path));
}

Result<std::unique_ptr<ReadableFile>> CrashDisk::open_file(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_file(path);
  if (found.error == EISDIR) return Status::invalid(path + " is a directory, not a file");
  if (found.error != 0) return system_error("cannot open", path, found.error);
  const auto size = static_cast<int64_t>(state_->nodes.at(found.number).bytes.size());
  return std::unique_ptr<ReadableFile>(std::make_unique<OpenReadableFile>(state_, found.number, size));
}

Status CrashDisk::sync_files(std::span<const std::string> paths) {
  const bool fails = state_->begins("sync", paths.empty() ? std::string() : paths.front());
  const std::lock_guard lock(state_->mutex);
  for (const std::string& path : paths) {
    const State::Found found = state_->find_existing(path);
    if (found.error != 0) return system_error("cannot open", path, found.error);
    State::settle(state_->nodes.at(found.number), fails ? Bytes::dropped : Bytes::durable);
  }
  return fails ? system_error("cannot sync", paths.empty() ? "nothing" : paths.front(), EIO) : Status();
}

Status CrashDisk::rename(const std::string& from, const std::string& to) {
  if (state_->begins("rename", to)) return system_error("cannot rename to", to, ENOSPC);
  const std::lock_guard lock(state_->mutex);
  const State::Found source = state_->find(from), target = state_->find(to);
  const auto refuse = [&](int error) { return system_error("cannot rename to", to, error); };
  if (source.error != 0) return refuse(source.error);
  if (target.error != 0) return refuse(target.error);
  if (source.number == 0) return refuse(ENOENT);
  if (source.number == kRoot || target.number == kRoot) return refuse(EBUSY);
  if (source.number == target.number) return Status();
  const bool is_directory = state_->nodes.at(source.number).is_directory;
  const std::vector<std::string> above = names_of(from), below = names_of(to);
  if (below.size() > above.size() && std::equal(above.begin(), above.end(), below.begin())) return refuse(EINVAL);
  if (target.number != 0) {
    const Node& replaced = state_->nodes.at(target.number);
    if (above.size() > below.size() && std::equal(below.begin(), below.end(), above.begin())) return refuse(ENOTEMPTY);
    if (is_directory && !replaced.is_directory) return refuse(ENOTDIR);
    if (!is_directory && replaced.is_directory) return refuse(EISDIR);
    if (!replaced.entries.empty()) return refuse(ENOTEMPTY);
  }
  state_->change({{source.place, 0}, {target.place, source.number}}, target.place.first);
  return Status();
}

Status CrashDisk::sync_directory(const std::string& path) {
  const bool fails = state_->begins("sync", path);
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_existing(path);
  if (found.error != 0) return system_error("cannot open", path, found.error);
  if (!state_->nodes.at(found.number).is_directory) return system_error("cannot open", path, ENOTDIR);
  if (fails) return system_error("cannot sync", path, EIO);
  state_->sync_directory(found.number);
  return Status();
}

Status CrashDisk::create_directory(const std::string& path) {
  if (state_->begins("create", path)) return system_error("cannot create", path, ENOSPC);
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find(path);
  if (found.error != 0) return system_error("cannot create", path, found.error);
  if (found.number != 0) return Status::invalid(path + " exists already");
  state_->change(found.place, state_->make_node(true).number);
  return Status();
}

Status CrashDisk::remove_file(const std::string& path) {
  if (state_->begins("remove", path)) return system_error("cannot remove", path, EIO);
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_file(path);
  if (found.error != 0) return system_error("cannot remove", path, found.error);
  state_->change(found.place, 0);
  return Status();
}

Status CrashDisk::remove_directory(const std::string& path) {
  if (state_->begins("remove", path)) return system_error("cannot remove", path, EIO);
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_existing(path);
  if (found.error != 0) return system_error("cannot remove", path, found.error);
  if (found.number == kRoot) return system_error("cannot remove", path, EBUSY);
  const Node& directory = state_->nodes.at(found.number);
  if (!directory.is_directory) return system_error("cannot remove", path, ENOTDIR);
  if (!directory.entries.empty()) return system_error("cannot remove", path, ENOTEMPTY);
  state_->change(found.place, 0);
  return Status();
}

Result<std::vector<DirectoryEntry>> CrashDisk::list_directory(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_existing(path);
  if (found.error != 0) return system_error("cannot list", path, found.error);
  const Node& directory = state_->nodes.at(found.number);
  if (!directory.is_directory) return system_error("cannot list", path, ENOTDIR);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, number] : directory.entries)
    entries.push_back({.name = name, .is_directory = state_->nodes.at(number).is_directory});
  return entries;
}

Result<bool> CrashDisk::file_exists(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  return state_->find_file(path).error == 0;
}

Result<bool> CrashDisk::directory_exists(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  return state_->find_file(path).error == EISDIR;
}

Result<std::optional<FileStamp>> CrashDisk::stamp(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_file(path);
  if (found.error != 0) return std::optional<FileStamp>();
  const Node& file = state_->nodes.at(found.number);
  return std::optional(FileStamp{
      .size = static_cast<int64_t>(file.bytes.size()), .modified_ns = file.modified_ns, .number = file.number});
}

Result<std::unique_ptr<FileLock>> CrashDisk::lock_file(const std::string& path, bool wait) {
  if (state_->begins("lock", path)) return system_error("cannot lock", path, EIO);
  const std::lock_guard lock(state_->mutex);
  State::Found found = state_->find(path);
  if (found.error == 0 && found.number != 0 && state_->nodes.at(found.number).is_directory) found.error = EISDIR;
  if (found.error != 0) return system_error("cannot create", path, found.error);
  if (found.number == 0) {
    found.number = state_->make_node(false).number;
    state_->change(found.place, found.number);
  }
  Node& file = state_->nodes.at(found.number);
  if (file.is_locked && wait) return Status::io_error("waiting for " + path + ", which this process has locked, hangs");
  if (file.is_locked) return std::unique_ptr<FileLock>();
  file.is_locked = true;
  return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(state_, found.number));
}

Result<std::string> CrashDisk::absolute_path(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const State::Found found = state_->find_existing(path);
  if (found.error != 0) return system_error("cannot find", path, found.error);
  std::string absolute;
  for (const std::string& name : names_of(path)) absolute += "/" + name;
  return absolute.empty() ? "/" : absolute;
}

}  // namespace signalbook
