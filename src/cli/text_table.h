#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace signalbook::cli {

// Columns of text on a terminal.

// How many columns a terminal gives a valid UTF-8 text: wide characters take two, combining ones none.
int display_width(std::string_view text);

// The text cut to a width, with … in place of what is gone.
std::string cut_to_width(std::string_view text, int width);

// A text in which nothing moves the cursor or hides other text: control characters become \n, \t, \x1b, \u202e.
std::string escape_control_characters(std::string_view text);

struct TextColumn {
  std::string name;
  bool is_number = false;  // to the right
  bool is_text = true;     // else never cut: half a number is another number
};

// Rows of cells as aligned columns under a header. With a width, long texts are cut and, where that is not enough,
// columns in the middle give way to one of "…". The widths come from the rows given first; later rows keep to them.
class TextTable {
 public:
  TextTable(std::vector<TextColumn> columns, int terminal_width);

  // Lays the columns out and appends the header. Call it once, with the first rows.
  void begin(const std::vector<std::vector<std::string>>& rows, std::string& out);
  void add_row(const std::vector<std::string>& cells, std::string& out) const;

  size_t column_count() const { return columns_.size(); }
  size_t hidden_count() const;

 private:
  struct Place {
    size_t column;  // kGap for the column of "…"
    int width;
  };
  static constexpr size_t kGap = static_cast<size_t>(-1);

  int capped_width(size_t column, int cap) const;
  int total_width(const std::vector<size_t>& shown, int cap) const;
  void lay_out();
  void add_cells(const std::vector<std::string>& cells, bool is_header, std::string& out) const;

  std::vector<TextColumn> columns_;
  int terminal_width_;
  std::vector<int> widths_;  // what the cells need
  std::vector<Place> places_;
};

}  // namespace signalbook::cli
