#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "journal/journal_frame.h"

namespace signalbook {

namespace {

// A piece of a file in memory, read where it is asked for.
class FileWindow {
 public:
  static constexpr size_t kSize = size_t{4} << 20;

  // Only the first `end` bytes of the file count.
  FileWindow(ReadableFile& file, int64_t end)
      : file_(file), end_(end), buffer_(std::min(kSize, static_cast<size_t>(end)), '\0') {}

  int64_t end() const { return end_; }

  // The bytes from `offset` on, `count` (at most kSize) or more; fewer at the end. Valid until the next call.
  Result<std::string_view> at(int64_t offset, size_t count) {
    const int64_t filled_end = begin_ + static_cast<int64_t>(filled_);
    const bool is_inside = offset >= begin_ && offset <= filled_end;
    const size_t have = is_inside ? static_cast<size_t>(filled_end - offset) : 0;
    const auto left = static_cast<size_t>(std::max<int64_t>(end_ - offset, 0));
    if (have < std::min(count, left)) {
      if (have > 0) std::memmove(buffer_.data(), buffer_.data() + (offset - begin_), have);
      begin_ = offset;
      filled_ = have;
      const std::span<char> free = std::span(buffer_).subspan(have).first(std::min(buffer_.size(), left) - have);
      SB_ASSIGN_OR_RETURN(const size_t read, file_.read(offset + static_cast<int64_t>(have), free));
      filled_ += read;
    }
    if (offset < begin_) return std::string_view();
    const auto skip = std::min(static_cast<size_t>(offset - begin_), filled_);
    return std::string_view(buffer_).substr(skip, filled_ - skip);
  }

 private:
  ReadableFile& file_;
  int64_t end_;
  std::string buffer_;
  int64_t begin_ = 0;
  size_t filled_ = 0;
};

// Whether a whole frame begins here. Takes no memory for what the header claims.
Result<bool> is_whole_frame(FileWindow& window, int64_t offset, FrameHeader* header) {
  SB_ASSIGN_OR_RETURN(const std::string_view front, window.at(offset, kFrameHeaderSize));
  if (front.size() < kFrameHeaderSize || !read_frame_header(front, offset, window.end(), header)) return false;
  uint32_t checksum = checksum_of_header(*header);
  size_t skip = kFrameHeaderSize;
  for (int64_t next = offset; next < header->end(); skip = 0) {
    const auto left = static_cast<size_t>(header->end() - next);
    SB_ASSIGN_OR_RETURN(const std::string_view bytes, window.at(next, std::min(left, FileWindow::kSize)));
    const std::string_view piece = bytes.substr(0, left);
    if (piece.size() <= skip && piece.size() < left) return false;  // the file has become shorter
    checksum = crc32c(piece.substr(skip), checksum);
    next += static_cast<int64_t>(piece.size());
  }
  return checksum == header->checksum;
}

// The first whole frame at or after `from`; the end where there is none.
Result<int64_t> find_whole_frame(FileWindow& window, int64_t from, FrameHeader* header) {
  int64_t offset = from;
  while (offset < window.end()) {
    SB_ASSIGN_OR_RETURN(const std::string_view bytes, window.at(offset, kFrameHeaderSize));
    if (bytes.size() < kFrameHeaderSize) break;
    size_t skip = 0;
    for (; skip + kFrameHeaderSize <= bytes.size(); skip += kFrameStep) {
      if (std::memcmp(bytes.data() + skip, &FrameHeader::kMagic, sizeof(FrameHeader::kMagic)) == 0) break;
    }
    offset += static_cast<int64_t>(skip);
    if (skip + kFrameHeaderSize > bytes.size()) continue;
    SB_ASSIGN_OR_RETURN(const bool whole, is_whole_frame(window, offset, header));
    if (whole) return offset;
    offset += kFrameStep;
  }
  return window.end();
}

// The payload of a frame; false when the frame is not there (any more).
Result<bool> read_payload(ReadableFile& file, const FrameHeader& header, std::string* payload) {
  payload->resize(header.payload_size);
  SB_ASSIGN_OR_RETURN(const size_t count,
                      file.read(header.offset + static_cast<int64_t>(kFrameHeaderSize), std::span(*payload)));
  return count == payload->size() && crc32c(*payload, checksum_of_header(header)) == header.checksum;
}

class Scanner {
 public:
  Scanner(ReadableFile& file, const std::string& path, std::optional<int64_t> limit,
          const std::function<Status(const JournalBatch&, const JournalPlace&)>& visit)
      : file_(file),
        path_(path),
        limit_(limit),
        visit_(visit),
        window_(file, std::min(file.size(), limit.value_or(file.size()))) {}

  Result<JournalScan> scan() {
    uint32_t next_number = 0;
    int64_t offset = 0;
    while (offset < window_.end()) {
      FrameHeader header;
      SB_ASSIGN_OR_RETURN(const bool whole, is_whole_frame(window_, offset, &header));
      if (!whole) {
        SB_ASSIGN_OR_RETURN(const int64_t next, find_whole_frame(window_, offset + kFrameStep, &header));
        SB_ASSIGN_OR_RETURN(const bool damaged, was_durable(offset, next));
        if (!damaged) {
          scan_.torn_bytes = window_.end() - offset;
          return std::move(scan_);
        }
        add_damage(offset, next - offset,
                   next == window_.end() ? fmt::format("frame {} and what follows are lost", next_number)
                                         : fmt::format("frames {} to {} are lost", next_number, header.number - 1));
        offset = next;
        continue;  // the window still holds it
      }
      SB_RETURN_IF_ERROR(take(header));
      next_number = header.number + 1;
      offset = header.end();
    }
    if (limit_ && offset < *limit_) add_missing_end(offset, next_number);
    return std::move(scan_);
  }

 private:
  // Whether the bad frame at `offset` lies in what was durable. `next` is the first whole frame behind it.
  Result<bool> was_durable(int64_t offset, int64_t next) {
    if (limit_) return true;
    // Only frames behind it can know, since none knows of more than what lies before itself. They are looked through
    // once, however many holes there are.
    if (!ahead_) ahead_.emplace(file_, window_.end());
    looked_until_ = std::max(looked_until_, next);
    while (known_durable_ <= offset && looked_until_ < window_.end()) {
      FrameHeader header;
      SB_ASSIGN_OR_RETURN(const int64_t found, find_whole_frame(*ahead_, looked_until_, &header));
      if (found == window_.end()) {
        looked_until_ = found;
        break;
      }
      known_durable_ = std::max(known_durable_, header.durable);
      looked_until_ = header.end();
    }
    return known_durable_ > offset;
  }

  void add_damage(int64_t offset, int64_t size, std::string what) {
    scan_.damage.push_back({.offset = offset, .lost_bytes = size, .what = std::move(what)});
  }

  void add_missing_end(int64_t offset, uint32_t next_number) {
    if (!scan_.damage.empty() && scan_.damage.back().offset + scan_.damage.back().lost_bytes == offset) {
      scan_.damage.back().lost_bytes += *limit_ - offset;
    } else {
      add_damage(offset, *limit_ - offset, fmt::format("the file ends before frame {}", next_number));
    }
  }

  // A whole frame. What it holds may still be none of ours.
  Status take(const FrameHeader& header) {
    SB_ASSIGN_OR_RETURN(const std::string_view payload, payload_of(header));
    const Status status = header.number == 0 ? take_header(payload) : decode_batch(payload, &batch_);
    if (status.code() == StatusCode::damaged) {
      add_damage(header.offset, header.end() - header.offset,
                 fmt::format("frame {} cannot be read: {}", header.number, status.message()));
      return Status();
    }
    if (!status.ok()) return status.at(fmt::format("{}: frame {}", path_, header.number));
    scan_.whole_bytes = header.end();
    if (header.number == 0) return Status();
    ++scan_.frame_count;
    return visit_(batch_,
                  JournalPlace{.offset = header.offset, .damage_count = static_cast<int64_t>(scan_.damage.size())});
  }

  Status take_header(std::string_view payload) {
    SB_ASSIGN_OR_RETURN(scan_.header, decode_journal_header(payload));
    return Status();
  }

  Result<std::string_view> payload_of(const FrameHeader& header) {
    const size_t size = kFrameHeaderSize + header.payload_size;
    if (size <= FileWindow::kSize) {
      SB_ASSIGN_OR_RETURN(const std::string_view frame, window_.at(header.offset, size));
      return frame.substr(std::min(frame.size(), kFrameHeaderSize), header.payload_size);
    }
    SB_ASSIGN_OR_RETURN(const bool whole, read_payload(file_, header, &large_payload_));
    return whole ? std::string_view(large_payload_) : std::string_view();
  }

  ReadableFile& file_;
  const std::string& path_;
  std::optional<int64_t> limit_;
  const std::function<Status(const JournalBatch&, const JournalPlace&)>& visit_;
  FileWindow window_;
  std::optional<FileWindow> ahead_;  // another place of the file, so that window_ stays
  std::string large_payload_;
  JournalBatch batch_;
  JournalScan scan_;
  int64_t looked_until_ = 0;
  int64_t known_durable_ = 0;  // by the frames up to there
};

}  // namespace

Result<JournalScan> scan_journal(FileSystem& files, const std::string& path, std::optional<int64_t> limit,
                                 const std::function<Status(const JournalBatch&, const JournalPlace&)>& visit) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_file(path));
  return Scanner(*file, path, limit, visit).scan();
}

Result<std::optional<JournalHeader>> read_journal_header(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_file(path));
  std::string front(kFrameHeaderSize, '\0'), payload;
  SB_ASSIGN_OR_RETURN(const size_t count, file->read(0, std::span(front)));
  FrameHeader header;
  const bool begins = count == front.size() && read_frame_header(front, 0, file->size(), &header) && header.number == 0;
  if (!begins) return std::optional<JournalHeader>();
  SB_ASSIGN_OR_RETURN(const bool whole, read_payload(*file, header, &payload));
  if (!whole) return std::optional<JournalHeader>();
  Result<JournalHeader> decoded = decode_journal_header(payload);
  if (decoded.ok()) return std::optional(std::move(decoded).value());
  if (decoded.status().code() == StatusCode::damaged) return std::optional<JournalHeader>();
  return decoded.status().at(path);
}

Status read_journal_frame(ReadableFile& file, const std::string& path, int64_t offset, JournalBatch* batch) {
  const auto damaged = [&](const std::string& why) {
    return Status::damaged(fmt::format("{}: the frame at byte {} is not what it was: {}", path, offset, why));
  };
  std::string front(kFrameHeaderSize, '\0');
  SB_ASSIGN_OR_RETURN(const size_t count, file.read(offset, std::span(front)));
  FrameHeader header;
  if (count < front.size() || !read_frame_header(front, offset, file.size(), &header) || header.number == 0) {
    return damaged("no frame begins there");
  }
  std::string payload;
  SB_ASSIGN_OR_RETURN(const bool whole, read_payload(file, header, &payload));
  if (!whole) return damaged("wrong checksum");
  const Status status = decode_batch(payload, batch);
  return status.code() == StatusCode::damaged ? damaged(status.message()) : status.at(path);
}

}  // namespace signalbook
