#include "cli/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace signalbook::cli {

namespace {

constexpr std::string_view kEllipsis = "\u2026";
constexpr int kSeparatorWidth = 2;
constexpr int kLeastTextWidth = 12;  // texts are cut down to this before a column is left out

struct CodePoint {
  uint32_t value = 0;
  size_t length = 1;  // in bytes
};

// The text is valid UTF-8; a byte that is not stands for itself.
CodePoint decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  size_t length = 1;
  if (first >= 0xF0) {
    length = 4;
  } else if (first >= 0xE0) {
    length = 3;
  } else if (first >= 0xC0) {
    length = 2;
  }
  if (length == 1 || text.size() < length) return {.value = first, .length = 1};
  uint32_t value = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) value = value << 6 | (byte(i) & 0x3Fu);
  return {.value = value, .length = length};
}

struct Range {
  uint32_t first, last;
};

template <size_t N>
bool is_in(const Range (&ranges)[N], uint32_t value) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return value >= range.first && value <= range.last; });
}

// The blocks that matter, not the whole of Unicode's tables: accents and joiners; East Asian text and emoji.
constexpr Range kZeroWidth[] = {{0x0300, 0x036F}, {0x0483, 0x0489},  {0x0591, 0x05BD}, {0x0610, 0x061A},
                                {0x064B, 0x065F}, {0x1AB0, 0x1AFF},  {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
                                {0x2060, 0x2064}, {0x20D0, 0x20FF},  {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
                                {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x25FD, 0x25FE},
                           {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},
                           {0x2705, 0x2705},   {0x274C, 0x274C},   {0x2753, 0x2755},   {0x2795, 0x2797},
                           {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
                           {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},
                           {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                           {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F19A}, {0x1F300, 0x1F64F},
                           {0x1F680, 0x1F6FF}, {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};
// Written backwards, or over what stands before.
constexpr Range kDirectionMarks[] = {{0x202A, 0x202E}, {0x2066, 0x2069}, {0x2028, 0x2029}};

int width_of(uint32_t value) {
  if (value < 0x300) return 1;
  if (is_in(kZeroWidth, value)) return 0;
  return is_in(kWide, value) ? 2 : 1;
}

void append_repeated(std::string& out, std::string_view text, int count) {
  for (int i = 0; i < count; ++i) out += text;
}

void append_padded(std::string& out, std::string_view text, int width, bool to_right) {
  const auto padding = static_cast<size_t>(std::max(0, width - display_width(text)));
  if (to_right) out.append(padding, ' ');
  out += text;
  if (!to_right) out.append(padding, ' ');
}

// Lines end where their text does.
void end_line(std::string& out) {
  while (!out.empty() && out.back() == ' ') out.pop_back();
  out += '\n';
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const CodePoint point = decode(text);
    width += width_of(point.value);
    text.remove_prefix(point.length);
  }
  return width;
}

std::string cut_to_width(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  int used = 0;
  size_t end = 0;
  while (end < text.size()) {
    const CodePoint point = decode(text.substr(end));
    if (used + width_of(point.value) > width - 1) break;
    used += width_of(point.value);
    end += point.length;
  }
  return std::string(text.substr(0, end)).append(kEllipsis);
}

std::string escape_control_characters(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.value == '\n') {
      escaped += "\\n";
    } else if (point.value == '\t') {
      escaped += "\\t";
    } else if (point.value == '\r') {
      escaped += "\\r";
    } else if (point.value < 0x20 || point.value == 0x7F) {
      escaped += fmt::format("\\x{:02x}", point.value);
    } else if ((point.value >= 0x80 && point.value < 0xA0) || is_in(kDirectionMarks, point.value)) {
      escaped += fmt::format("\\u{:04x}", point.value);
    } else {
      escaped += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  return escaped;
}

TextTable::TextTable(std::vector<TextColumn> columns, int terminal_width)
    : columns_(std::move(columns)), terminal_width_(terminal_width), widths_(columns_.size(), 1) {}

size_t TextTable::hidden_count() const {
  const auto is_gap = [](const Place& place) { return place.column == kGap; };
  const bool has_gap = std::ranges::any_of(places_, is_gap);
  return columns_.size() - places_.size() + (has_gap ? 1 : 0);
}

int TextTable::capped_width(size_t column, int cap) const {
  const int name = display_width(columns_[column].name);
  if (!columns_[column].is_text) return std::max(widths_[column], std::min(name, cap));
  return std::min(std::max(widths_[column], name), cap);
}

int TextTable::total_width(const std::vector<size_t>& shown, int cap) const {
  int total = 0;
  for (const size_t column : shown) total += capped_width(column, cap) + kSeparatorWidth;
  if (shown.size() < columns_.size()) total += 1 + kSeparatorWidth;
  return total - kSeparatorWidth;
}

void TextTable::lay_out() {
  std::vector<size_t> shown(columns_.size());
  std::iota(shown.begin(), shown.end(), size_t{0});
  int cap = 1;
  for (size_t i = 0; i < columns_.size(); ++i) cap = std::max({cap, widths_[i], display_width(columns_[i].name)});
  size_t left = shown.size();  // columns before the gap
  if (terminal_width_ > 0) {
    // From the middle outwards, so that what identifies a row and what was computed last stay.
    while (shown.size() > 1 && total_width(shown, kLeastTextWidth) > terminal_width_) {
      left = shown.size() / 2;
      shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(left));
    }
    while (cap > kLeastTextWidth && total_width(shown, cap) > terminal_width_) --cap;
    while (cap > 1 && total_width(shown, cap) > terminal_width_) --cap;  // one text column, or a very narrow terminal
  }
  for (size_t i = 0; i <= shown.size(); ++i) {
    if (i == left && shown.size() < columns_.size()) places_.push_back({.column = kGap, .width = 1});
    if (i < shown.size()) places_.push_back({.column = shown[i], .width = capped_width(shown[i], cap)});
  }
}

void TextTable::begin(const std::vector<std::vector<std::string>>& rows, std::string& out) {
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], display_width(row[i]));
  }
  lay_out();
  std::vector<std::string> names;
  for (const TextColumn& column : columns_) names.push_back(column.name);
  add_cells(names, true, out);
  for (size_t i = 0; i < places_.size(); ++i) {
    if (i > 0) out.append(kSeparatorWidth, ' ');
    append_repeated(out, "\u2500", places_[i].width);
  }
  end_line(out);
}

void TextTable::add_row(const std::vector<std::string>& cells, std::string& out) const { add_cells(cells, false, out); }

void TextTable::add_cells(const std::vector<std::string>& cells, bool is_header, std::string& out) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (i > 0) out.append(kSeparatorWidth, ' ');
    const Place& place = places_[i];
    if (place.column == kGap) {
      out += kEllipsis;
      continue;
    }
    const TextColumn& column = columns_[place.column];
    const std::string& cell = cells[place.column];
    const bool may_cut = terminal_width_ > 0 && (column.is_text || is_header);
    append_padded(out, may_cut ? cut_to_width(cell, place.width) : cell, place.width, column.is_number);
  }
  end_line(out);
}

}  // namespace signalbook::cli
