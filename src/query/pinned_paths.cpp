#include "query/pinned_paths.h"

#include <algorithm>
#include <filesystem>

namespace signalbook {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

PinnedPaths::PinnedPaths(FileSystem& files, size_t most) : files_(files.reserve_pins(most)) {
  if (files_ == nullptr) return;
  names_ = files_->names();
  for (size_t place = names_.size(); place > 0; --place) free_.push_back(place - 1);
}

std::string PinnedPaths::pin(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (free_.empty() || !files_->pin(free_.back(), path).ok()) return path;
  const size_t place = free_.back();
  free_.pop_back();
  paths_[place] = path;
  return names_[place];
}

void PinnedPaths::unpin(const std::string& name) {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end()) return;
  const auto place = static_cast<size_t>(found - names_.begin());
  const std::lock_guard lock(mutex_);
  if (paths_.erase(place) > 0) free_.push_back(place);
}

bool PinnedPaths::is_name(const std::string& path) const {
  return std::ranges::count(names_, std::filesystem::path(path).lexically_normal().string()) > 0;
}

std::string PinnedPaths::with_paths(const std::string& text) const {
  const std::lock_guard lock(mutex_);
  std::string result = text;
  for (const auto& [place, path] : paths_) {
    const std::string& name = names_[place];
    size_t at = 0;
    while ((at = result.find(name, at)) != std::string::npos) {
      const size_t end = at + name.size();
      if (end < result.size() && is_digit(result[end])) {  // another one, with a longer number
        at = end;
        continue;
      }
      result.replace(at, name.size(), path);
      at += path.size();
    }
  }
  return result;
}

}  // namespace signalbook
