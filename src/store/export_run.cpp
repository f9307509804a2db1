#include "store/export_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/digest.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/run_contents.h"
#include "store/run_files.h"
#include "store/verify_run.h"

namespace signalbook {

namespace {

struct Entry {
  std::string name;  // in the tar
  std::string path;  // on the disk
  int64_t size = 0;
  std::optional<RunDescription::FileVersion> version;  // that it is to have, where run.json says one
};

Status check_finished(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const bool is_finished, files.file_exists(join_path(run_path, file::kStrategyIndex)));
  if (is_finished) return Status();
  return Status::not_found(
      fmt::format("{} is no finished run, so there is nothing to export yet; signalbook recover {} finishes it",
                  run_path, run_path));
}

Status check_whole(FileSystem& files, const std::string& run_path) {
  std::string first;
  SB_ASSIGN_OR_RETURN(const std::string absolute, files.absolute_path(run_path));
  SB_ASSIGN_OR_RETURN(
      const VerifySummary summary,
      verify_scope(files, {.store_path = parent_path(absolute), .run_path = absolute}, [&](const Finding& finding) {
        if (finding.kind == Finding::Kind::damage && first.empty()) first = finding.what;
      }));
  if (summary.damage_count == 0) return Status();
  return Status::damaged(fmt::format(
      "{}: {}{}; no tar is made of a damaged run: see signalbook verify {}", run_path, first,
      summary.damage_count == 1 ? "" : fmt::format(" (the first of {} cases of damage)", summary.damage_count),
      run_path));
}

Status changed_meanwhile(const std::string& path) {
  return Status::invalid(fmt::format("{} was changed while it was exported; export the run again", path));
}

Result<std::vector<Entry>> list_entries(FileSystem& files, const std::string& run_path, const std::string& run_id,
                                        const RunContents& contents) {
  std::vector<Entry> entries;
  for (const RunContents::File& file : contents.belonging) {
    Entry entry = {
        .name = join_path(run_id, file.path), .path = join_path(run_path, file.path), .size = file.size, .version = {}};
    const RunDescription::File* const said = find_run_file(contents.description, file.path);
    if (said != nullptr) entry.version = RunDescription::FileVersion{.size = said->size, .sha256 = said->sha256};
    entries.push_back(std::move(entry));
  }
  std::set<std::string> bars;
  for (const RunDescription::Feed& feed : contents.description.feeds) bars.insert(bars_path(feed.data_id));
  SB_ASSIGN_OR_RETURN(const std::string absolute, files.absolute_path(run_path));
  for (const std::string& name : bars) {
    const std::string path = join_path(parent_path(absolute), name);
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files.stamp(path));
    if (!stamp) return Status::damaged(path + ": missing");
    entries.push_back({.name = name, .path = path, .size = stamp->size, .version = {}});
  }
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

Status copy_file(FileSystem& files, const Entry& entry, std::vector<char>& block, TarWriter& tar) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_file(entry.path));
  if (file->size() != entry.size) return changed_meanwhile(entry.path);
  Sha256 hash;
  for (int64_t offset = 0; offset < entry.size;) {
    const size_t wanted = static_cast<size_t>(std::min<int64_t>(entry.size - offset, std::ssize(block)));
    SB_ASSIGN_OR_RETURN(const size_t count, file->read(offset, std::span(block).first(wanted)));
    if (count == 0) return changed_meanwhile(entry.path);
    const std::string_view bytes(block.data(), count);
    if (entry.version) hash.update(bytes);
    SB_RETURN_IF_ERROR(tar.append(bytes));
    offset += static_cast<int64_t>(count);
  }
  if (entry.version && to_hex(hash.finish()) != entry.version->sha256) return changed_meanwhile(entry.path);
  return Status();
}

}  // namespace

Result<ExportedRun> export_run(FileSystem& files, const std::string& run_path, const TarSink& sink) {
  SB_RETURN_IF_ERROR(check_finished(files, run_path));
  SB_RETURN_IF_ERROR(check_whole(files, run_path));
  SB_ASSIGN_OR_RETURN(const std::string absolute, files.absolute_path(run_path));
  const std::string run_id = file_name_of(absolute);
  if (!is_run_name(run_id)) {
    return Status::invalid(
        fmt::format("{}: a run of this name cannot be imported again; rename its directory first", run_path));
  }
  SB_ASSIGN_OR_RETURN(RunContents contents, list_run_contents(files, absolute));
  if (!contents.missing.empty()) return changed_meanwhile(join_path(run_path, contents.missing.front()));
  for (const RunDescription::File& file : contents.description.files) {
    if (file.previous)
      return changed_meanwhile(join_path(run_path, file.path)).with("; after a crash, recover it first");
  }
  const std::string description_path = join_path(absolute, file::kRunDescription);
  SB_ASSIGN_OR_RETURN(const std::string description, files.read_file(description_path));
  SB_ASSIGN_OR_RETURN(std::vector<Entry> entries, list_entries(files, absolute, run_id, contents));
  // A run.json of another moment than the list of files would not go with them.
  for (Entry& entry : entries) {
    if (entry.path == description_path) entry.version = version_of(description);
  }
  SB_ASSIGN_OR_RETURN(const RunDescription again, decode_run_description(description, description_path));
  if (!std::ranges::equal(again.files, contents.description.files, [](const auto& a, const auto& b) {
        return a.path == b.path && a.sha256 == b.sha256 && a.size == b.size && a.previous == b.previous;
      })) {
    return changed_meanwhile(run_path);
  }

  ExportedRun exported;
  exported.left_out = std::move(contents.foreign);
  constexpr int64_t kMicroseconds = 1'000'000;
  const int64_t modified = std::max<int64_t>(contents.description.created_at / kMicroseconds, 0);
  constexpr size_t kBlock = size_t{1} << 20;
  std::vector<char> block(kBlock);
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TarWriter> tar, TarWriter::open(sink));
  for (const Entry& entry : entries) {
    SB_RETURN_IF_ERROR(tar->begin_file(entry.name, entry.size, modified));
    SB_RETURN_IF_ERROR(copy_file(files, entry, block, *tar));
    ++exported.file_count;
    exported.byte_count += entry.size;
  }
  SB_RETURN_IF_ERROR(tar->finish());
  return exported;
}

Result<ExportedRun> export_run_to_file(FileSystem& files, const std::string& run_path, const std::string& tar_path) {
  const auto check_free = [&]() -> Status {
    SB_ASSIGN_OR_RETURN(const bool is_file, files.file_exists(tar_path));
    SB_ASSIGN_OR_RETURN(const bool is_directory, files.directory_exists(tar_path));
    if (!is_file && !is_directory) return Status();
    return Status::invalid(fmt::format("{} exists already, and is not overwritten; give another name", tar_path));
  };
  SB_RETURN_IF_ERROR(check_finished(files, run_path));
  SB_RETURN_IF_ERROR(check_free());
  const std::string temporary = tar_path + std::string(kTemporarySuffix), lock_path = temporary + ".lock";
  SB_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, files.lock_file(lock_path, /*wait=*/false));
  if (lock == nullptr) return Status::invalid(fmt::format("{} is being written by another export", tar_path));

  const auto write = [&]() -> Result<ExportedRun> {
    SB_ASSIGN_OR_RETURN(const bool is_left, files.file_exists(temporary));
    if (is_left) SB_RETURN_IF_ERROR(files.remove_file(temporary));
    std::unique_ptr<AppendFile> file;  // made with the first bytes: what is damaged leaves nothing
    SB_ASSIGN_OR_RETURN(ExportedRun exported, export_run(files, run_path, [&](std::string_view bytes) -> Status {
                          if (file == nullptr) {
                            SB_ASSIGN_OR_RETURN(file, files.create_append_file(temporary));
                          }
                          return file->append(bytes);
                        }));
    SB_RETURN_IF_ERROR(file->sync());
    SB_RETURN_IF_ERROR(check_free());
    SB_RETURN_IF_ERROR(files.rename(temporary, tar_path));
    SB_RETURN_IF_ERROR(files.sync_directory(parent_path(tar_path)));
    return exported;
  };
  Result<ExportedRun> exported = write();
  if (!exported.ok()) (void)files.remove_file(temporary);
  (void)files.remove_file(lock_path);
  return exported;
}

}  // namespace signalbook
