#include "format/file_names.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/digest.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

std::string digest_digits(std::string_view text) { return to_hex(sha256(text)).substr(0, 8); }

}  // namespace

std::string escape_name(std::string_view text) {
  if (text.empty()) return "~";
  std::string name;
  bool cut = false;
  constexpr size_t kRoomForDigest = 9;  // "-" and 8 digits
  std::string whole;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool plain = is_plain(c) && !(i == 0 && (c == '_' || c == '.'));
    const std::string next = plain ? std::string(1, c) : fmt::format("~{:02X}", static_cast<unsigned char>(c));
    if (whole.size() + next.size() <= kMaxNamePart - kRoomForDigest) name = whole + next;
    whole += next;
    if (whole.size() > kMaxNamePart) {
      cut = true;
      break;
    }
  }
  return cut ? name + "-" + digest_digits(text) : whole;
}

std::string bars_path(std::string_view data_id_hex) {
  return fmt::format("{}/{}.parquet", file::kBarsDirectory, data_id_hex);
}

std::string TracePaths::directory(const std::string& parent, const std::string& text, const std::string& escaped) {
  const auto known = directories_.find({parent, text});
  if (known != directories_.end()) return known->second;
  std::string name = escaped;
  if (!taken_.insert(to_lower_ascii(parent + "/" + name)).second) {
    name = escaped.substr(0, kMaxNamePart - 9) + "-" + digest_digits(text);
    taken_.insert(to_lower_ascii(parent + "/" + name));
  }
  directories_[{parent, text}] = name;
  return name;
}

std::string TracePaths::add(const Key& key) {
  // The two texts apart: BTC_1 on 5m and BTC on 1_5m are two feeds with one spelling.
  const std::string feed_text = fmt::format("{}\n{}", key.symbol, key.timeframe);
  const std::string feed =
      directory(file::kTracesDirectory, feed_text, escape_name(fmt::format("{}_{}", key.symbol, key.timeframe)));
  const std::string kind_directory =
      fmt::format("{}/{}/{}", file::kTracesDirectory, feed, key.kind == SignalKind::label ? "classifiers" : "signals");
  const std::string type = directory(kind_directory, std::string(key.strategy_type), escape_name(key.strategy_type));
  const std::string stem = fmt::format("{}/{}/{}_{}_", kind_directory, type, feed, type);
  const std::string digest(key.strategy_digest);
  std::string path = stem + digest.substr(0, kStrategyHashLength) + ".parquet";
  for (size_t digits = 16; !taken_.insert(to_lower_ascii(path)).second; digits += 4) {
    path = digits <= digest.size() ? stem + digest.substr(0, digits) + ".parquet"
                                   : fmt::format("{}{}-{}.parquet", stem, digest.substr(0, kStrategyHashLength),
                                                 (digits - digest.size()) / 4 + 1);
  }
  return path;
}

namespace {
constexpr std::string_view kEnding = ".parquet";
}

std::string metric_set_path(std::string_view name) {
  return fmt::format("{}/{}{}", file::kMetricsDirectory, name, kEnding);
}

std::optional<std::string> metric_set_name(std::string_view path) {
  const std::string directory = std::string(file::kMetricsDirectory) + "/";
  if (!path.starts_with(directory) || !path.ends_with(kEnding)) return std::nullopt;
  path.remove_prefix(directory.size());
  path.remove_suffix(std::min(kEnding.size(), path.size()));
  return check_metric_set_name(path).ok() ? std::optional(std::string(path)) : std::nullopt;
}

Status check_metric_set_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
  const bool is_fine = !name.empty() && name.size() <= kMaxNamePart && name.front() != '.' && name.front() != '-' &&
                       name.find_first_not_of(kAllowed) == std::string_view::npos;
  if (is_fine) return Status();
  return Status::invalid(fmt::format(
      "'{}' is no name of a metric set; take small letters, digits, '_', '-' and '.', such as cost5bp", name));
}

}  // namespace signalbook
