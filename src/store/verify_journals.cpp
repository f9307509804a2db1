#include "store/verify_journals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/digest.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "journal/journal_file.h"
#include "store/bars_file.h"
#include "store/run_journals.h"
#include "store/writer_record.h"

namespace signalbook {

namespace {

using Kind = Finding::Kind;
using Tell = std::function<void(Kind, const std::string&)>;

constexpr std::string_view kBarsSuffix = ".bars";

class JournalCheck {
 public:
  JournalCheck(FileSystem& files, const std::string& run_path, const Tell& tell)
      : files_(files), directory_(journal_directory(run_path)), run_path_(run_path), tell_(tell) {}

  Status check();

 private:
  std::string name_of(const std::string& path) const { return join_path(file_name_of(directory_), file_name_of(path)); }
  // A line with a path of the run in front, without the path of the run.
  std::string within_run(std::string line) const {
    const std::string run = join_path(run_path_, "");
    for (size_t place = line.find(run); !run.empty() && place != std::string::npos; place = line.find(run, place))
      line.erase(place, run.size());
    return line;
  }
  Result<bool> is_alive(const WriterJournal& journal);
  Status check_writer(const WriterJournal& journal, bool is_alive);
  Status check_bars(const std::string& file_name);
  Status find_missing_bars();

  FileSystem& files_;
  std::string directory_, run_path_;
  const Tell& tell_;
  std::map<std::string, std::string> feeds_;  // data_id -> symbol and timeframe, of all writers
  std::set<std::string> known_;               // files of the directory that have been looked at
};

Result<bool> JournalCheck::is_alive(const WriterJournal& journal) {
  const std::string path = writer_lock_path(run_path_, journal.writer);
  SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path));  // to lock it would make it
  if (!exists) return false;
  const Result<std::unique_ptr<FileLock>> lock = files_.lock_file(path, /*wait=*/false);
  return lock.ok() && *lock == nullptr;  // where nobody may write, nobody can tell
}

Status JournalCheck::check_writer(const WriterJournal& journal, bool is_alive) {
  if (journal.is_suspect && !journal.segments.empty()) {
    tell_(Kind::problem, fmt::format("{}: a sync of this journal failed; what was not acknowledged may be lost",
                                     name_of(journal.segments.back())));
  }
  const auto give_up = [&](const Status& status) {
    const StatusCode code = status.code();
    if (code == StatusCode::not_found && is_alive) return Status();  // committed meanwhile
    tell_(code == StatusCode::invalid ? Kind::problem : Kind::damage, status.message());
    return Status();
  };
  const Result<SegmentOrder> order = order_segments(files_, journal);
  if (!order.ok()) return give_up(order.status());
  for (const std::string& line : order->damage) tell_(Kind::damage, within_run(line));
  const auto note_feeds = [&](const JournalBatch& batch, const JournalPlace&) {
    for (const JournalFeed& feed : batch.feeds) feeds_.emplace(feed.data_id, feed.symbol + ' ' + feed.timeframe);
    return Status();
  };
  for (auto segment = order->segments.rbegin(); segment != order->segments.rend(); ++segment) {
    const std::string name = name_of(segment->path);
    const Result<JournalScan> scan = scan_journal(files_, segment->path, segment->limit, note_feeds);
    if (!scan.ok()) return give_up(scan.status());
    for (const JournalDamage& damage : scan->damage) {
      tell_(Kind::damage, fmt::format("{}: at byte {}: {}; {} bytes are lost, the frames behind them are whole", name,
                                      damage.offset, damage.what, damage.lost_bytes));
    }
    const bool is_last = segment == order->segments.rbegin();
    if (scan->torn_bytes > 0 && !(is_alive && is_last)) {
      tell_(Kind::problem,
            fmt::format("{}: {} bytes at the end were cut off by a crash; recover drops them", name, scan->torn_bytes));
    }
  }
  return Status();
}

Status JournalCheck::check_bars(const std::string& file_name) {
  const std::string name = name_of(file_name);
  const Result<std::string> bytes = files_.read_file(join_path(directory_, file_name));
  if (!bytes.ok()) {
    if (bytes.status().code() == StatusCode::not_found) return Status();  // committed meanwhile
    tell_(Kind::damage, name + ": " + bytes.status().message());
    return Status();
  }
  const Result<Bars> bars = decode_bars_file(*bytes, name);
  const std::string id = file_name.substr(0, file_name.size() - kBarsSuffix.size());
  if (!bars.ok()) {
    tell_(Kind::damage, bars.status().message());
  } else if (to_hex(data_id(*bars)) != id) {
    tell_(Kind::damage, name + ": these are other bars");
  } else {
    // No digest of these bytes is kept, but they are made from the bars alone.
    SB_ASSIGN_OR_RETURN(const std::string encoded, encode_bars_file(*bars, id));
    if (encoded != *bytes) tell_(Kind::problem, name + ": other bytes than this program writes, but the same bars");
  }
  return Status();
}

// The bars of each feed are beside the journals, or were in the store before.
Status JournalCheck::find_missing_bars() {
  for (const auto& [id, feed] : feeds_) {
    SB_ASSIGN_OR_RETURN(const bool is_here, files_.file_exists(journal_bars_path(run_path_, id)));
    if (is_here) continue;
    SB_ASSIGN_OR_RETURN(const bool is_unfinished, files_.directory_exists(directory_));
    if (!is_unfinished) return Status();  // committed meanwhile
    const Result<std::string> bytes = files_.read_file(join_path(parent_path(run_path_), bars_path(id)));
    const Result<Bars> bars = bytes.ok() ? decode_bars_file(*bytes, bars_path(id)) : Result<Bars>(bytes.status());
    if (bars.ok() && to_hex(data_id(*bars)) == id) continue;
    tell_(Kind::damage, fmt::format("{}: missing, and the store has no bars like them (bars of {})",
                                    name_of(journal_bars_path(run_path_, id)), feed));
  }
  return Status();
}

Status JournalCheck::check() {
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files_, run_path_));
  std::vector<std::string> alive;
  for (const WriterJournal& journal : journals) {
    SB_ASSIGN_OR_RETURN(const bool lives, is_alive(journal));
    if (lives) alive.push_back(journal.writer);
    SB_RETURN_IF_ERROR(check_writer(journal, lives));
    known_.insert(journal.writer + ".lock");
    known_.insert(file_name_of(suspect_path(run_path_, journal.writer)));
    for (const std::string& path : journal.segments) known_.insert(file_name_of(path));
    for (const std::string& path : journal.no_files) known_.insert(file_name_of(path));
  }
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> strangers, list_foreign_files(files_, directory_));
  const std::set<std::string> foreign(strangers.begin(), strangers.end());
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(directory_));
  for (const DirectoryEntry& entry : entries) {
    const bool is_lock = entry.name.ends_with(".lock") && !foreign.contains(entry.name);
    if (known_.contains(entry.name) || is_lock) continue;
    if (!foreign.contains(entry.name) && entry.name.ends_with(kBarsSuffix)) {
      SB_RETURN_IF_ERROR(check_bars(entry.name));
    } else if (!foreign.contains(entry.name) && entry.name.ends_with(kTemporarySuffix)) {
      if (alive.empty()) tell_(Kind::problem, name_of(entry.name) + ": left behind; recover removes it");
    } else {
      tell_(Kind::problem, name_of(entry.name) + ": belongs to no journal; recover moves it to lost+found");
    }
  }
  SB_RETURN_IF_ERROR(find_missing_bars());
  if (alive.empty()) {
    tell_(Kind::problem, "no finished run: signalbook recover finishes it, record --resume goes on with it");
  } else {
    tell_(Kind::problem, fmt::format("no finished run: it is being written by {}", fmt::join(alive, ", ")));
  }
  return Status();
}

}  // namespace

Status check_journals(FileSystem& files, const std::string& run_path, const Tell& tell) {
  return JournalCheck(files, run_path, tell).check();
}

}  // namespace signalbook
