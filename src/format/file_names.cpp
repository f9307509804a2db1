#include "format/file_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "base/digest.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

constexpr std::string_view kEnding = ".parquet";

constexpr const char* name_of(SignalKind kind) { return kind == SignalKind::label ? "classifiers" : "signals"; }

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

// Stems differ also where case does not count, so the number of one and the digits behind it are the whole path.
bool TracePaths::is_first_with_digits(const std::string& stem, const std::string& digest) {
  uint64_t digits = 0;
  std::from_chars(digest.data(), digest.data() + std::min(digest.size(), kStrategyHashLength), digits, 16);
  constexpr int kDigitBits = 4 * static_cast<int>(kStrategyHashLength);
  const uint64_t number = stems_.emplace(stem, stems_.size()).first->second;
  return taken_digits_.insert(number << kDigitBits | digits).second;
}

std::string TracePaths::add(const Key& key) {
  // The two texts apart: BTC_1 on 5m and BTC on 1_5m are two feeds with one spelling.
  const std::string feed_text = fmt::format("{}\n{}", key.symbol, key.timeframe);
  const std::string feed =
      directory(file::kTracesDirectory, feed_text, escape_name(fmt::format("{}_{}", key.symbol, key.timeframe)));
  const std::string kind_directory = fmt::format("{}/{}/{}", file::kTracesDirectory, feed, name_of(key.kind));
  const std::string type = directory(kind_directory, std::string(key.strategy_type), escape_name(key.strategy_type));
  const std::string stem = fmt::format("{}/{}/{}_{}_", kind_directory, type, feed, type);
  const std::string digest(key.strategy_digest);
  std::string path = stem + digest.substr(0, kStrategyHashLength) + ".parquet";
  if (is_first_with_digits(stem, digest)) return path;
  taken_.insert(to_lower_ascii(path));
  for (size_t digits = 16; !taken_.insert(to_lower_ascii(path)).second; digits += 4) {
    path = digits <= digest.size() ? stem + digest.substr(0, digits) + ".parquet"
                                   : fmt::format("{}{}-{}.parquet", stem, digest.substr(0, kStrategyHashLength),
                                                 (digits - digest.size()) / 4 + 1);
  }
  return path;
}

std::string feed_directory(std::string_view trace_path) {
  const size_t feed = trace_path.find('/');
  return std::string(trace_path.substr(0, trace_path.find('/', feed == std::string_view::npos ? feed : feed + 1)));
}

std::string pack_path(std::string_view feed_directory, SignalKind kind, int number) {
  return fmt::format("{}/{}-{:05}{}", feed_directory, name_of(kind), number, kEnding);
}

std::optional<SignalKind> pack_kind(std::string_view path) {
  if (feed_directory(path) != path.substr(0, path.rfind('/')) || !path.starts_with(file::kTracesDirectory)) {
    return std::nullopt;
  }
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const SignalKind kind : {SignalKind::number, SignalKind::label}) {
    const std::string stem = std::string(name_of(kind)) + "-";
    if (!name.starts_with(stem) || !name.ends_with(kEnding) || name.size() <= stem.size() + kEnding.size()) continue;
    const std::string_view digits = name.substr(stem.size(), name.size() - stem.size() - kEnding.size());
    if (digits.find_first_not_of("0123456789") == std::string_view::npos) return kind;
  }
  return std::nullopt;
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
