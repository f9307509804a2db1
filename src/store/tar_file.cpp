#include "store/tar_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <locale.h>

#include <cerrno>
#include <vector>

#include "base/utf8.h"

namespace signalbook {

namespace {

constexpr size_t kBlock = size_t{256} << 10;

struct Release {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Entry = std::unique_ptr<archive_entry, Release>;

// libarchive takes names for text in the locale of the thread, and in that of C knows nothing beyond ASCII.
class Utf8Names {
 public:
  Utf8Names() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  ~Utf8Names() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  locale_t locale_, before_ = nullptr;
};

std::string reason(archive* tar) {
  const char* const text = archive_error_string(tar);
  return text == nullptr ? "unknown reason" : text;
}

}  // namespace

// ---- Writing --------------------------------------------------------------------------------------------------------

struct TarWriter::State {
  TarSink sink;
  archive* tar = nullptr;
  Status failure;  // of the sink: libarchive does not carry it
  int64_t missing_bytes = 0;

  ~State() { archive_write_free(tar); }

  static la_ssize_t write(archive*, void* state, const void* bytes, size_t size) {
    State& self = *static_cast<State*>(state);
    if (self.failure.ok()) self.failure = self.sink({static_cast<const char*>(bytes), size});
    if (self.failure.ok()) return static_cast<la_ssize_t>(size);
    archive_set_error(self.tar, EIO, "the output failed");
    return -1;
  }
  Status check(int code) const {
    if (!failure.ok()) return failure;
    return code == ARCHIVE_OK ? Status() : Status::io_error("cannot write a tar: " + reason(tar));
  }
};

TarWriter::TarWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TarWriter::~TarWriter() {
  // What is not finished is thrown away: freeing it must write nothing more.
  if (state_ != nullptr && state_->failure.ok()) state_->failure = Status::io_error("not finished");
}

Result<std::unique_ptr<TarWriter>> TarWriter::open(TarSink sink) {
  auto state = std::make_unique<State>();
  state->sink = std::move(sink);
  state->tar = archive_write_new();
  if (state->tar == nullptr) return Status::io_error("cannot write a tar: no memory");
  SB_RETURN_IF_ERROR(state->check(archive_write_set_format_pax_restricted(state->tar)));
  SB_RETURN_IF_ERROR(
      state->check(archive_write_open(state->tar, state.get(), nullptr, &TarWriter::State::write, nullptr)));
  return std::unique_ptr<TarWriter>(new TarWriter(std::move(state)));
}

Status TarWriter::begin_file(const std::string& name, int64_t size, int64_t modified_seconds) {
  if (to_valid_utf8(name) != name)
    return Status::invalid("a tar cannot hold a name that is no UTF-8: " + to_valid_utf8(name));
  const Utf8Names names;
  const Entry entry(archive_entry_new2(state_->tar));
  archive_entry_copy_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), size);
  archive_entry_set_mtime(entry.get(), static_cast<time_t>(modified_seconds), 0);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  state_->missing_bytes = size;
  return state_->check(archive_write_header(state_->tar, entry.get())).at(name);
}

Status TarWriter::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t written = archive_write_data(state_->tar, bytes.data(), bytes.size());
    if (written <= 0) return state_->check(ARCHIVE_FATAL);
    bytes.remove_prefix(static_cast<size_t>(written));
    state_->missing_bytes -= written;
  }
  return Status();
}

Status TarWriter::finish() {
  if (state_->missing_bytes != 0) return Status::io_error("cannot write a tar: the last file in it is not whole");
  return state_->check(archive_write_close(state_->tar));
}

// ---- Reading --------------------------------------------------------------------------------------------------------

struct TarReader::State {
  TarSource source;
  archive* tar = nullptr;
  Status failure;
  std::vector<char> block = std::vector<char>(kBlock);

  ~State() { archive_read_free(tar); }

  static la_ssize_t read(archive*, void* state, const void** bytes) {
    State& self = *static_cast<State*>(state);
    const Result<size_t> size = self.source(self.block);
    *bytes = self.block.data();
    if (size.ok()) return static_cast<la_ssize_t>(*size);
    self.failure = size.status();
    archive_set_error(self.tar, EIO, "the input failed");
    return -1;
  }
  Status damaged() const {
    if (!failure.ok()) return failure;
    return Status::damaged(fmt::format(
        "this is no whole tar ({}); it may be cut off, damaged, compressed or something else", reason(tar)));
  }
};

TarReader::TarReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TarReader::~TarReader() = default;

Result<std::unique_ptr<TarReader>> TarReader::open(TarSource source) {
  auto state = std::make_unique<State>();
  state->source = std::move(source);
  state->tar = archive_read_new();
  if (state->tar == nullptr) return Status::io_error("cannot read a tar: no memory");
  if (archive_read_support_format_tar(state->tar) != ARCHIVE_OK ||
      archive_read_open(state->tar, state.get(), nullptr, &TarReader::State::read, nullptr) != ARCHIVE_OK) {
    return state->damaged();
  }
  return std::unique_ptr<TarReader>(new TarReader(std::move(state)));
}

Result<std::optional<TarEntry>> TarReader::next() {
  const Utf8Names names;
  archive_entry* entry = nullptr;
  const int code = archive_read_next_header(state_->tar, &entry);
  if (code == ARCHIVE_EOF) return std::optional<TarEntry>();
  if (code < ARCHIVE_WARN) return state_->damaged();
  const char* const name = archive_entry_pathname(entry);
  if (name == nullptr) return Status::damaged("a file in this tar has a name that cannot be read");
  TarEntry found;
  found.name = name;
  found.size = archive_entry_size(entry);
  const bool is_link = archive_entry_hardlink(entry) != nullptr || archive_entry_hardlink_utf8(entry) != nullptr;
  const bool has_holes = archive_entry_sparse_count(entry) > 0;
  const bool is_file = archive_entry_filetype(entry) == AE_IFREG && !is_link && !has_holes;
  found.kind = is_file                                                 ? TarEntry::Kind::file
               : archive_entry_filetype(entry) == AE_IFDIR && !is_link ? TarEntry::Kind::directory
                                                                       : TarEntry::Kind::other;
  return std::optional(std::move(found));
}

Result<size_t> TarReader::read(std::span<char> into) {
  const la_ssize_t size = archive_read_data(state_->tar, into.data(), into.size());
  if (size < 0) return state_->damaged();
  return static_cast<size_t>(size);
}

}  // namespace signalbook
