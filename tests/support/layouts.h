#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "store/commit_run.h"
#include "store/recover_run.h"
#include "store/run_writer.h"

namespace signalbook::test {

// How the traces of a test's runs lie: tests of a suite WithLayouts are done once for each.
struct TestLayout {
  const char* name;
  RunLayout layout;
  int64_t pack_bytes;

  bool is_packed() const { return layout != RunLayout::files; }
};

inline constexpr TestLayout kFilesLayout = {"files", RunLayout::files, 0};

inline TestLayout& current_layout() {
  static TestLayout layout = kFilesLayout;
  return layout;
}

inline CommitOptions commit_options() {
  CommitOptions options;
  options.pack_bytes = current_layout().pack_bytes;
  return options;
}

class WithLayouts : public testing::TestWithParam<TestLayout> {
 protected:
  void SetUp() override { current_layout() = GetParam(); }
  void TearDown() override { current_layout() = kFilesLayout; }
};

// A pack that has no byte yet is full with 0 bytes: as many packs as traces. Two of them show most of what can go
// wrong.
inline auto all_layouts() {
  std::vector<TestLayout> layouts = {kFilesLayout, {"many_packs", RunLayout::packed, 0}};
  if (std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr) {
    layouts.push_back({"packed", RunLayout::packed, int64_t{1} << 30});
    layouts.push_back({"full_packs", RunLayout::packed_full, 0});
  }
  return testing::ValuesIn(layouts);
}

inline std::string layout_name(const testing::TestParamInfo<TestLayout>& info) { return info.param.name; }

}  // namespace signalbook::test
