#include "store/sealed_json.h"

#include <utility>

#include "base/digest.h"

namespace signalbook {

namespace {

constexpr const char* kSeal = "sha256";
constexpr size_t kDigits = 2 * sizeof(Digest);

// Of a text whose digits at this place count as zeros.
std::string digits_of(std::string_view text, size_t place) {
  Sha256 digest;
  digest.update(text.substr(0, place));
  digest.update(std::string(kDigits, '0'));
  digest.update(text.substr(place + kDigits));
  return to_hex(digest.finish());
}

}  // namespace

std::string seal_json(JsonValue::Object members) {
  const std::string zeros(kDigits, '0');
  std::erase_if(members, [](const JsonValue::Member& member) { return member.first == kSeal; });
  members.emplace_back(kSeal, JsonValue(zeros));
  std::string text = to_json(JsonValue(std::move(members)), JsonStyle::pretty) + "\n";
  const size_t place = text.rfind(zeros);
  return text.replace(place, kDigits, digits_of(text, place));
}

Seal check_seal(const JsonValue& json, std::string_view text) {
  const JsonValue* const seal = json.find(kSeal);
  if (seal == nullptr) return Seal::missing;
  if (seal->text() == nullptr || seal->text()->size() != kDigits) return Seal::wrong;
  const size_t place = text.rfind(*seal->text());
  return place != std::string_view::npos && digits_of(text, place) == *seal->text() ? Seal::good : Seal::wrong;
}

}  // namespace signalbook
