#include "ingest/column_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>

#include "ingest/foreign_format.h"

namespace signalbook {

int ColumnInput::find_column(std::string_view name) const {
  const auto place = std::find(column_names_.begin(), column_names_.end(), name);
  return place == column_names_.end() ? -1 : static_cast<int>(place - column_names_.begin());
}

Status ColumnInput::set_column_names(std::vector<std::string> names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) return Status::invalid(fmt::format("column '{}' is there twice", name));
  }
  column_names_ = std::move(names);
  return Status();
}

Result<std::unique_ptr<ColumnInput>> open_column_input(const std::string& path) {
  std::error_code error;
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::not_found)
    return Status::not_found(fmt::format("{}: there is no such file", path));
  if (kind == std::filesystem::file_type::directory)
    return Status::invalid(fmt::format("{} is a directory, not a file", path));
  if (kind == std::filesystem::file_type::fifo || kind == std::filesystem::file_type::character) {
    return Status::invalid(
        fmt::format("{} is a pipe or device; write it to a file first, it is read more than once", path));
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return Status::io_error(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  char start[6] = {};
  const size_t count = std::fread(start, 1, sizeof(start), file.get());
  if (std::ferror(file.get()) != 0)
    return Status::io_error(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  const std::string_view magic(start, count);

  if (magic.empty()) return Status::invalid(fmt::format("{} is empty", path));
  SB_RETURN_IF_ERROR(refuse_foreign_format(magic).at(path));
  auto input = magic.starts_with("PAR1")                                              ? open_parquet_input(path)
               : magic.starts_with("ARROW1") || magic.starts_with("\xff\xff\xff\xff") ? open_ipc_input(path)
                                                                                      : open_csv_input(path);
  if (!input.ok()) return input.status().at(path);
  return input;
}

}  // namespace signalbook
