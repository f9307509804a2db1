#include "store/run_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "format/short_digest.h"
#include "format/trace_schema.h"
#include "store/run_files.h"

namespace signalbook {

namespace {

Status no_description(const std::string& run_path) {
  return Status::damaged(fmt::format("{} is missing from a finished run", join_path(run_path, file::kRunDescription)));
}

bool is_hash_prefix(std::string_view text) {
  constexpr size_t kMinDigits = 4, kMaxDigits = 64;
  return text.size() >= kMinDigits && text.size() <= kMaxDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<CheckedIndex> read_checked_index(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const bool is_finished, files.file_exists(join_path(run_path, file::kStrategyIndex)));
  if (!is_finished) {
    return Status::not_found(fmt::format("{} is no finished run: it has no {}", run_path, file::kStrategyIndex));
  }
  Result<DescribedFile> found = read_described_file(files, run_path, file::kStrategyIndex);
  if (found.status().code() == StatusCode::not_found) return no_description(run_path);
  SB_RETURN_IF_ERROR(found.status());
  return CheckedIndex{.description = std::move(found->description), .bytes = std::move(found->bytes)};
}

Result<std::unique_ptr<RunReader>> RunReader::open(FileSystem& files, const std::string& run_path) {
  std::unique_ptr<RunReader> run(new RunReader(files, run_path));
  SB_ASSIGN_OR_RETURN(CheckedIndex index, read_checked_index(files, run_path));
  run->description_ = std::move(index.description);
  SB_ASSIGN_OR_RETURN(run->traces_, open_traces(files, run_path, run->description_));
  SB_ASSIGN_OR_RETURN(run->rows_, decode_index(index.bytes, join_path(run_path, file::kStrategyIndex)));
  return run;
}

void RunReader::prepare_find() const {
  std::call_once(find_is_prepared_, [this] {
    for (const IndexRow& row : rows_) {
      by_digest_.push_back(&row);
      by_id_.emplace(row.strategy_id, &row);
      for (const std::string& alias : row.aliases) by_id_.emplace(alias, &row);
    }
    std::ranges::stable_sort(by_digest_, {}, [](const IndexRow* row) { return row->strategy_digest; });
  });
}

Result<std::vector<const IndexRow*>> RunReader::find(std::string_view name) const {
  prepare_find();
  std::vector<const IndexRow*> found;
  const auto [first_id, last_id] = by_id_.equal_range(name);
  for (auto id = first_id; id != last_id; ++id) found.push_back(id->second);
  const auto sort_found = [&] {
    std::ranges::sort(found);  // as they stand in the index
    found.erase(std::ranges::unique(found).begin(), found.end());
  };
  sort_found();
  if (!found.empty()) return found;

  std::set<std::string> candidates;
  if (is_hash_prefix(name)) {
    // In the order of digests those with one prefix stand together.
    const auto digits_of = [&](const IndexRow* row) { return to_hex(row->strategy_digest).substr(0, name.size()); };
    for (auto row = std::ranges::lower_bound(by_digest_, name, {}, digits_of);
         row != by_digest_.end() && digits_of(*row) == name; ++row) {
      found.push_back(*row);
      candidates.insert(to_hex((*row)->strategy_digest));
    }
    sort_found();
  }
  if (candidates.size() > 1) {
    std::string message = fmt::format("{} fits {} strategies; give more digits:", name, candidates.size());
    const std::vector<std::string> digests(candidates.begin(), candidates.end());
    const size_t digits = digits_to_tell_apart(digests, kCollisionDigits);
    for (const std::string& digest : digests) message += " " + digest.substr(0, digits);
    return Status::invalid(message);
  }
  if (found.empty()) {
    return Status::not_found(fmt::format(
        "no strategy {} in {}; give a strategy_id or 4 or more digits of a strategy_hash", name, run_path_));
  }
  return found;
}

Result<std::vector<ComponentRow>> RunReader::read_components() const {
  if (find_run_file(description_, file::kStrategyComponents) == nullptr) return std::vector<ComponentRow>();
  SB_ASSIGN_OR_RETURN(const DescribedFile found, read_described_file(files_, run_path_, file::kStrategyComponents));
  return decode_components(found.bytes, join_path(run_path_, file::kStrategyComponents));
}

}  // namespace signalbook
