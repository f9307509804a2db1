#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "format/json_value.h"

namespace signalbook {

// Where a value stands in a configuration: names of members and places in lists.
struct PathStep {
  std::string name;       // of a member, or
  bool is_place = false;  // of an item of a list,
  size_t place = 0;       // counted from 0

  bool operator==(const PathStep&) const = default;
};
using ConfigPath = std::vector<PathStep>;

// "strategy[1].parameters.std_dev"; a name of other characters is quoted: parameters["a.b"].
std::string path_text(const ConfigPath& path);

// One thing in which b is another configuration than a.
struct ConfigChange {
  enum class Kind {
    added,
    removed,
    changed,
    spelling,  // the same number as an integer and as a real: 2 and 2.0
    moved,     // a strategy among its siblings; what else differs in it is told beside
  };

  Kind kind = Kind::changed;
  // Where it stands in either. They have one length and differ in places of lists, where something before was added or
  // removed. Of what was added, path_a only counts up to its parent; of what was removed, path_b.
  ConfigPath path_a, path_b;
  JsonValue a, b;  // null where there is none
};

const char* to_string(ConfigChange::Kind kind);

// The path to name: in a, but of what was added in b.
const ConfigPath& path_of(const ConfigChange& change);

// How two normalised configurations differ, in the order of their members. Nothing where their canonical texts are
// equal; making all these changes turns a into b; diff_configs(b, a) has the same ones, seen from b.
//
// Strategies in a list are matched: those of equal hash first, then those of equal values, then those of one type in
// their order, first between the ones that are matched already. So one that was inserted is one addition. Other lists
// of one length are compared item by item, and those of different lengths are changed as a whole: their items have no
// names to match them by.
std::vector<ConfigChange> diff_configs(const JsonValue& a, const JsonValue& b);

}  // namespace signalbook
