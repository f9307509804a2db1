#include "store/collect_garbage.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "journal/journal_file.h"
#include "store/run_contents.h"
#include "store/run_files.h"
#include "store/run_inspection.h"
#include "store/run_journals.h"
#include "store/store.h"
#include "store/transit.h"
#include "store/writer_record.h"

namespace signalbook {

namespace {

constexpr std::string_view kParquet = ".parquet", kBars = ".bars";

std::string data_id_of(std::string_view file_name, std::string_view suffix) {
  if (!file_name.ends_with(suffix)) return "";
  file_name.remove_suffix(suffix.size());
  return is_data_id(file_name) ? std::string(file_name) : "";
}

// Who needs which bars.
class References {
 public:
  References(FileSystem& files, const std::string& store_path) : files_(files), store_path_(store_path) {}

  // Each place before the one where what lies in it goes next, so that nothing passes by unseen.
  Status read() {
    SB_ASSIGN_OR_RETURN(const std::vector<Transit> transits, list_transits(files_, store_path_));
    for (const Transit& transit : transits) {
      if (transit.purpose == TransitPurpose::import && transit.is_alive) SB_RETURN_IF_ERROR(read_runs(transit.path));
    }
    SB_RETURN_IF_ERROR(read_runs(store_path_));
    return read_lost_and_found();
  }

  bool contains(const std::string& data_id) const { return data_ids_.contains(data_id); }
  // What may refer to bars and cannot be read.
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  void doubt(const std::string& path, const std::string& why) { unknown_.push_back(fmt::format("{}: {}", path, why)); }

  Status read_runs(const std::string& directory) {
    const Result<std::vector<DirectoryEntry>> entries = files_.list_directory(directory);
    if (entries.status().code() == StatusCode::not_found) return Status();
    if (!entries.ok()) return entries.status();
    for (const DirectoryEntry& entry : *entries) {
      if (entry.name == file::kStoreDirectory || entry.name == file::kBarsDirectory) continue;
      const std::string path = join_path(directory, entry.name);
      if (entry.is_directory) {
        SB_RETURN_IF_ERROR(read_run(path));
      } else if (entry.is_link) {
        SB_ASSIGN_OR_RETURN(const bool is_file, files_.file_exists(path));
        if (!is_file) doubt(path, "a link that leads nowhere; a run may lie there at other times");
      }
    }
    return Status();
  }

  Status read_run(const std::string& path) {
    const Result<bool> is_run = looks_like_run(files_, path);
    if (is_run.status().code() == StatusCode::not_found) return Status();  // removed meanwhile
    if (!is_run.ok()) {
      doubt(path, is_run.status().message());
      return Status();
    }
    // The journal before run.json: when it is gone, run.json is there.
    SB_ASSIGN_OR_RETURN(const bool has_journal, read_journals(path, journal_directory(path)));
    const Result<RunDescription> description = read_run_description(files_, path);
    if (description.ok()) {
      for (const RunDescription::Feed& feed : description->feeds) data_ids_.insert(feed.data_id);
      return Status();
    }
    const bool is_missing = description.status().code() == StatusCode::not_found;
    if (!is_missing) {
      doubt(join_path(path, file::kRunDescription), "it cannot be read (see signalbook verify)");
      return Status();
    }
    if (has_journal || !*is_run) return Status();
    SB_ASSIGN_OR_RETURN(const bool is_there, files_.directory_exists(path));
    if (is_there) doubt(path, "a run without a run.json (see signalbook recover)");
    return Status();
  }

  // Whether there is one.
  Result<bool> read_journals(const std::string& run_path, const std::string& directory) {
    const Result<std::vector<DirectoryEntry>> entries = files_.list_directory(directory);
    if (entries.status().code() == StatusCode::not_found) return false;
    if (!entries.ok()) return entries.status();
    for (const DirectoryEntry& entry : *entries) {
      const std::string id = data_id_of(entry.name, kBars);
      if (!id.empty()) data_ids_.insert(id);
    }
    SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals_in(files_, directory));
    for (const WriterJournal& journal : journals) {
      const Status status = read_feeds(journal);
      if (status.code() == StatusCode::not_found) continue;  // committed meanwhile: run.json is there
      if (!status.ok()) doubt(run_path, "its journal cannot be read whole (see signalbook recover)");
    }
    return true;
  }

  // Bars that a journal speaks of lie beside it, unless somebody took them away.
  Status read_feeds(const WriterJournal& journal) {
    SB_ASSIGN_OR_RETURN(const SegmentOrder order, order_segments(files_, journal));
    if (!order.damage.empty()) return Status::damaged(order.damage.front());
    const auto note = [&](const JournalBatch& batch, const JournalPlace&) {
      for (const JournalFeed& feed : batch.feeds) data_ids_.insert(feed.data_id);
      return Status();
    };
    for (const SegmentOrder::Segment& segment : order.segments) {
      SB_ASSIGN_OR_RETURN(const JournalScan scan, scan_journal(files_, segment.path, segment.limit, note));
      if (!scan.damage.empty()) return Status::damaged(scan.damage.front().what);
    }
    return Status();
  }

  // What lies there is what could not be read as well: it counts as far as it can be, and stops nobody. A run.json that
  // is damaged still has its data_ids in it.
  Status read_lost_and_found() {
    return read_lost(join_path(join_path(store_path_, file::kStoreDirectory), "lost+found"));
  }
  Status read_lost(const std::string& directory) {
    const Result<std::vector<DirectoryEntry>> entries = files_.list_directory(directory);
    if (!entries.ok()) return Status();
    for (const DirectoryEntry& entry : *entries) {
      const std::string path = join_path(directory, entry.name);
      if (entry.is_link) continue;
      if (entry.is_directory && entry.name != file::kTracesDirectory) {
        SB_RETURN_IF_ERROR(read_lost(path));
        continue;
      }
      const std::string id = data_id_of(entry.name, kBars);
      if (!id.empty()) data_ids_.insert(id);
      if (!entry.name.starts_with(file::kRunDescription)) continue;
      const Result<std::string> text = files_.read_file(path);
      if (text.ok()) note_data_ids_in(*text);
    }
    return Status();
  }
  void note_data_ids_in(std::string_view text) {
    constexpr size_t kDigits = 64;
    for (size_t quote = text.find('"'); quote != std::string_view::npos; quote = text.find('"', quote + 1)) {
      const std::string_view digits = text.substr(quote + 1, kDigits);
      if (is_data_id(digits)) data_ids_.insert(std::string(digits));
    }
  }

  FileSystem& files_;
  const std::string& store_path_;
  std::set<std::string> data_ids_;
  std::vector<std::string> unknown_;
};

class Collection {
 public:
  Collection(FileSystem& files, const std::string& store_path, bool deletes)
      : files_(files), store_path_(store_path), deletes_(deletes) {}

  Result<GarbageReport> run() {
    // Where nothing is marked, what lies in "bars" may be anybody's.
    const std::string mark = join_path(join_path(store_path_, file::kStoreDirectory), file::kStoreMarker);
    SB_ASSIGN_OR_RETURN(const bool is_marked, files_.file_exists(mark));
    if (!is_marked) {
      return Status::invalid(
          fmt::format("{} is not marked as a store (there is no {}); nothing was looked at", store_path_, mark));
    }
    SB_RETURN_IF_ERROR(check_store_version(files_, store_path_));
    SB_ASSIGN_OR_RETURN(const std::vector<Transit> transits, list_transits(files_, store_path_));
    for (const Transit& transit : transits) SB_RETURN_IF_ERROR(collect_transit(transit));
    if (deletes_) SB_RETURN_IF_ERROR(remove_idle_locks(files_, store_path_));
    SB_RETURN_IF_ERROR(collect_bars());
    SB_RETURN_IF_ERROR(collect_lookups());
    return std::move(report_);
  }

 private:
  std::string bars_directory() const { return join_path(store_path_, file::kBarsDirectory); }
  std::string within_store(const std::string& path) const { return path.substr(join_path(store_path_, "").size()); }

  Status collect_transit(const Transit& transit);
  Status put_back(const std::string& directory);
  // They are derived, and kept under the names of runs.
  Status collect_lookups() {
    const std::string directory = join_path(file::kStoreDirectory, file::kLookupDirectory);
    const Result<std::vector<DirectoryEntry>> entries = files_.list_directory(join_path(store_path_, directory));
    if (!entries.ok()) return entries.status().code() == StatusCode::not_found ? Status() : entries.status();
    for (const DirectoryEntry& entry : *entries) {
      const std::string run = join_path(store_path_, entry.name);
      SB_ASSIGN_OR_RETURN(const bool is_run, files_.file_exists(join_path(run, file::kStrategyIndex)));
      if (entry.is_directory || is_run) continue;
      const std::string name = join_path(directory, entry.name), path = join_path(store_path_, name);
      SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(path));
      if (!stamp) continue;
      report_.found.push_back({.path = name, .byte_count = stamp->size, .why = "of a run that is not there any more"});
      if (!deletes_) continue;
      const Status removed = files_.remove_file(path);
      if (!removed.ok() && removed.code() != StatusCode::not_found) return removed;
    }
    return Status();
  }

  Status collect_bars();
  Result<std::vector<Garbage>> find_bars(const References& references);

  FileSystem& files_;
  const std::string& store_path_;
  bool deletes_;
  GarbageReport report_;
};

Status Collection::collect_transit(const Transit& transit) {
  const std::string name = within_store(transit.path);
  const char* const what = transit.purpose == TransitPurpose::import    ? "an import"
                           : transit.purpose == TransitPurpose::removal ? "the removal of a run"
                                                                        : "a gc";
  if (transit.is_alive) {
    report_.notes.push_back(fmt::format("{}: {} is at work there; left alone", name, what));
    return Status();
  }
  std::unique_ptr<TransitDirectory> taken;
  if (deletes_) {
    SB_ASSIGN_OR_RETURN(taken, take_over_transit(files_, transit.path));
    if (taken == nullptr) return Status();
  }
  if (transit.purpose == TransitPurpose::garbage) SB_RETURN_IF_ERROR(put_back(transit.path));
  SB_ASSIGN_OR_RETURN(const TreeSize size, measure_tree(files_, transit.path));
  if (deletes_) SB_RETURN_IF_ERROR(taken->remove());
  report_.found.push_back(
      {.path = name, .byte_count = size.byte_count, .why = fmt::format("left by {} that did not end", what)});
  return Status();
}

// Of bars that were taken away those that somebody refers to now, or may; those that are there again are the same.
Status Collection::put_back(const std::string& directory) {
  References references(files_, store_path_);
  SB_RETURN_IF_ERROR(references.read());
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(directory));
  bool has_put_back = false;
  for (const DirectoryEntry& entry : entries) {
    const std::string id = data_id_of(entry.name, kParquet);
    if (id.empty() || (references.unknown().empty() && !references.contains(id))) continue;
    const std::string from = join_path(directory, entry.name), to = join_path(store_path_, bars_path(id));
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(to));
    if (exists) continue;
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(from));
    if (deletes_) SB_RETURN_IF_ERROR(files_.rename(from, to));
    has_put_back = true;
    report_.found.push_back({.path = within_store(to),
                             .byte_count = stamp ? stamp->size : 0,
                             .why = "was taken away, and a run refers to it",
                             .is_put_back = true});
  }
  return deletes_ && has_put_back ? files_.sync_directory(bars_directory()) : Status();
}

Result<std::vector<Garbage>> Collection::find_bars(const References& references) {
  std::vector<Garbage> found;
  const Result<std::vector<DirectoryEntry>> entries = files_.list_directory(bars_directory());
  if (entries.status().code() == StatusCode::not_found) return found;
  if (!entries.ok()) return entries.status();
  for (const DirectoryEntry& entry : *entries) {
    const std::string id = data_id_of(entry.name, kParquet);
    if (id.empty() || entry.is_directory || entry.is_link || references.contains(id)) continue;
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(join_path(bars_directory(), entry.name)));
    if (!stamp) continue;
    found.push_back({.path = join_path(file::kBarsDirectory, entry.name),
                     .byte_count = stamp->size,
                     .why = "no run of this store refers to these bars"});
  }
  return found;
}

Status Collection::collect_bars() {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(store_path_));
  const auto bars = std::ranges::find(entries, std::string(file::kBarsDirectory), &DirectoryEntry::name);
  if (bars != entries.end() && bars->is_link) {
    report_.notes.push_back("bars is a link, and other stores may share it: no bars are removed");
    return Status();
  }
  References references(files_, store_path_);
  SB_RETURN_IF_ERROR(references.read());
  if (!references.unknown().empty()) {
    report_.notes.push_back("no bars are removed, as these may refer to them and cannot be read:");
    for (const std::string& line : references.unknown()) report_.notes.push_back("  " + line);
    return Status();
  }
  SB_ASSIGN_OR_RETURN(const std::vector<Garbage> found, find_bars(references));
  if (!deletes_ || found.empty()) {
    report_.found.insert(report_.found.end(), found.begin(), found.end());
    return Status();
  }
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TransitDirectory> transit,
                      TransitDirectory::create(files_, store_path_, TransitPurpose::garbage));
  SB_RETURN_IF_ERROR(transit->sync_name());
  for (const Garbage& file : found) {
    const Status moved =
        files_.rename(join_path(store_path_, file.path), join_path(transit->path(), file_name_of(file.path)));
    if (!moved.ok()) {
      (void)put_back(transit->path());
      return moved;
    }
  }
  SB_RETURN_IF_ERROR(files_.sync_directory(transit->path()));
  SB_RETURN_IF_ERROR(files_.sync_directory(bars_directory()));
  SB_RETURN_IF_ERROR(put_back(transit->path()));
  for (const Garbage& file : found) {
    SB_ASSIGN_OR_RETURN(const bool is_garbage, files_.file_exists(join_path(transit->path(), file_name_of(file.path))));
    if (is_garbage) report_.found.push_back(file);
  }
  return transit->remove();
}

}  // namespace

Result<GarbageReport> collect_garbage(FileSystem& files, const std::string& store_path, bool deletes) {
  return Collection(files, store_path, deletes).run();
}

}  // namespace signalbook
