#include "store/verify_traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "base/digest.h"
#include "base/parallel_for.h"
#include "format/file_names.h"
#include "store/pack_file.h"
#include "store/run_files.h"
#include "store/trace_storage.h"
#include "store/verify_pack.h"
#include "store/verify_trace.h"

namespace signalbook {

namespace {

using Kind = Finding::Kind;
using FileVersion = RunDescription::FileVersion;
using PackedRows = std::vector<const IndexRow*>;

class TracesCheck {
 public:
  TracesCheck(FileSystem& files, const std::string& run_path, const RunDescription* description,
              const std::vector<IndexRow>& rows, const std::function<const Bars*(const std::string&)>& bars_of,
              const TraceCheckOptions& options, VerifyLog& log)
      : files_(files),
        run_path_(run_path),
        description_(description),
        rows_(rows),
        bars_of_(bars_of),
        options_(options),
        log_(log),
        meter_(options_.progress, options.what, kProgressBytes, count_bytes()) {}

  Status check() {
    for (const IndexRow& row : rows_) {
      if (row.is_packed()) packs_[row.pack].push_back(&row);
      if (!row.is_packed()) in_files_.push_back(&row);
    }
    log_.summary.trace_count += static_cast<int64_t>(rows_.size());
    SB_RETURN_IF_ERROR(check_files());
    return check_packs();
  }

 private:
  struct Found {
    VerifyLog::Lines lines;
    int64_t byte_count = 0;
  };

  int64_t count_bytes() const {
    int64_t bytes = 0;
    for (const IndexRow& row : rows_) bytes += row.file_size;
    if (description_ != nullptr) {
      for (const RunDescription::File& file : description_->files) {
        if (pack_kind(file.path)) bytes += file.size * (options_.is_deep ? 2 : 1);
      }
    }
    return bytes;
  }

  std::string missing_or(const std::string& name, const Status& status) const {
    return status.code() == StatusCode::not_found ? name + ": missing" : name + ": " + status.message();
  }

  // As many at a time as keep all threads busy: what is told waits for those alone.
  Status check_files() {
    constexpr size_t kAtATime = 1024;
    for (size_t begin = 0; begin < in_files_.size(); begin += kAtATime) {
      std::vector<Found> found(std::min(kAtATime, in_files_.size() - begin));
      SB_RETURN_IF_ERROR(parallel_for(found.size(), options_.threads, [&](size_t i) {
        check_file(*in_files_[begin + i], found[i]);
        return Status();
      }));
      for (const Found& one : found) take(one);
    }
    return Status();
  }

  void take(const Found& found) {
    log_.summary.byte_count += found.byte_count;
    log_.tell_lines(found.lines);
  }

  void check_file(const IndexRow& row, Found& found) {
    meter_.add(row.file_size);
    const Result<std::string> bytes = files_.read_file(join_path(run_path_, row.trace_path));
    // What the disk refuses is damage as well, because the rest can still be looked at.
    if (!bytes.ok()) {
      found.lines.emplace_back(Kind::damage, missing_or(row.trace_path, bytes.status()));
      return;
    }
    const auto size = static_cast<int64_t>(bytes->size());
    found.byte_count = size;
    if (size != row.file_size || sha256(*bytes) != row.file_sha256) {
      found.lines.emplace_back(Kind::damage, describe_other_bytes(row.trace_path, size, row.file_size));
      return;
    }
    if (!options_.is_deep) return;
    for (const std::string& fault : check_trace_file(*bytes, row, bars_of_(row.data_id)))
      found.lines.emplace_back(Kind::damage, row.trace_path + ": " + fault);
  }

  // Several packs by several threads; the rows of one, where they are looked into, too.
  Status check_packs() {
    std::vector<std::pair<const std::string*, const PackedRows*>> packs;
    for (const auto& [name, rows] : packs_) packs.emplace_back(&name, &rows);
    std::vector<Found> found(packs.size());
    std::vector<char> is_whole(packs.size(), 0);
    SB_RETURN_IF_ERROR(parallel_for(packs.size(), options_.threads, [&](size_t i) {
      is_whole[i] = check_bytes(*packs[i].first, *packs[i].second, found[i]) ? 1 : 0;
      return Status();
    }));
    for (size_t i = 0; i < packs.size(); ++i) {
      take(found[i]);
      if (is_whole[i] != 0) check_rows(*packs[i].first, *packs[i].second);
    }
    return Status();
  }

  // Whether it is the pack that was recorded, as far as anybody can tell.
  bool check_bytes(const std::string& name, const PackedRows& rows, Found& found) {
    const auto tell = [&](std::string what) { found.lines.emplace_back(Kind::damage, std::move(what)); };
    const Result<FileVersion> version =
        read_file_version(files_, join_path(run_path_, name), [&](int64_t bytes) { meter_.add(bytes); });
    if (!version.ok()) {
      tell(fmt::format("{} ({} in it)", missing_or(name, version.status()), count_of_traces(rows.size())));
      return false;
    }
    found.byte_count = version->size;
    if (description_ == nullptr) {
      const size_t readable = count_readable(rows);
      if (readable < rows.size())
        tell(fmt::format("{}: {} of its {} can be read", name, readable, count_of_traces(rows.size())));
      return readable == rows.size();
    }
    const RunDescription::File* const entry = find_run_file(*description_, name);
    if (entry == nullptr) {
      tell(fmt::format("{}: run.json does not vouch for it, and {} of the index lie in it", name,
                       count_of_traces(rows.size())));
      return true;
    }
    if (is_run_file(*entry, *version)) return true;
    tell(fmt::format("{}; {} of its {} can be read", describe_other_bytes(name, version->size, entry->size),
                     count_readable(rows), count_of_traces(rows.size())));
    return false;
  }

  static std::string count_of_traces(size_t count) { return fmt::format("{} trace{}", count, count == 1 ? "" : "s"); }

  // Page by page, by their trace_hash.
  size_t count_readable(const PackedRows& rows) const {
    const Result<std::unique_ptr<TraceStorage>> traces = open_traces(files_, run_path_, RunDescription());
    if (!traces.ok()) return 0;
    return static_cast<size_t>(std::ranges::count_if(
        rows, [&](const IndexRow* row) { return (*traces)->read_changes(*row, /*with_prices=*/false).ok(); }));
  }

  void check_rows(const std::string& name, const PackedRows& rows) {
    const std::string path = join_path(run_path_, name);
    const Result<std::unique_ptr<PackFile>> pack = PackFile::open(files_, path);
    if (!pack.ok()) return log_.tell(Kind::damage, name + ": " + pack.status().message());
    log_.tell_all(name, check_pack_ranges(rows, (*pack)->row_count()));
    if (!options_.is_deep) return;
    log_.tell_all(name, check_pack(files_, path, name, rows, bars_of_(rows.front()->data_id),
                                   {.threads = options_.threads, .progress = [&](int64_t rows_read) {
                                      meter_.add((*pack)->byte_count() * rows_read / (*pack)->row_count());
                                    }}));
  }

  FileSystem& files_;
  const std::string& run_path_;
  const RunDescription* description_;
  const std::vector<IndexRow>& rows_;
  const std::function<const Bars*(const std::string&)>& bars_of_;
  const TraceCheckOptions& options_;
  VerifyLog& log_;
  ProgressMeter meter_;
  std::vector<const IndexRow*> in_files_;
  std::map<std::string, PackedRows> packs_;
};

}  // namespace

Status check_traces(FileSystem& files, const std::string& run_path, const RunDescription* description,
                    const std::vector<IndexRow>& rows, const std::function<const Bars*(const std::string&)>& bars_of,
                    const TraceCheckOptions& options, VerifyLog& log) {
  return TracesCheck(files, run_path, description, rows, bars_of, options, log).check();
}

}  // namespace signalbook
