#include "format/config_diff.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "format/strategy_identity.h"

namespace signalbook {

namespace {

using Array = JsonValue::Array;
using Kind = ConfigChange::Kind;

std::string canonical(const JsonValue& value) { return to_json(value, JsonStyle::canonical); }

// The rule of value_digest: reals below 2^53 that are whole count as integers.
JsonValue as_integer(const JsonValue& value) {
  const double* real = value.real();
  if (real == nullptr || std::abs(*real) >= 0x1p53 || *real != std::trunc(*real)) return value;
  return JsonValue(static_cast<int64_t>(*real));
}

bool is_strategy_list(const JsonValue& value) {
  const Array* items = value.array();
  return items != nullptr &&
         std::ranges::all_of(*items, [](const JsonValue& item) { return item.object() != nullptr; });
}

// ---- Matching the strategies of two lists ---------------------------------------------------------------------------

struct Pair {
  size_t a, b;
};

// By what a child can be known again in the other list. Its weight is its parent's affair.
struct ChildKeys {
  std::string whole, digest, value_digest, type;

  explicit ChildKeys(const JsonValue& child) : whole(canonical(child)) {
    JsonValue alone = child;
    std::erase_if(*alone.object(), [](const JsonValue::Member& member) { return member.first == "weight"; });
    const StrategyIdentity identity = identify_normalized(alone);
    digest = to_hex(identity.digest);
    value_digest = to_hex(identity.value_digest);
    const JsonValue* name = child.find("type");
    type = name == nullptr ? "" : canonical(*name);
  }
};

class ChildMatcher {
 public:
  ChildMatcher(const Array& a, const Array& b)
      : a_(a.begin(), a.end()), b_(b.begin(), b.end()), match_of_a_(a.size()), match_of_b_(b.size()) {}

  void match() {
    for (const auto key : {&ChildKeys::whole, &ChildKeys::digest, &ChildKeys::value_digest}) {
      match_equal([&](const ChildKeys& child, size_t) { return child.*key; },
                  [&](const ChildKeys& child, size_t) { return child.*key; });
    }
    // Between the ones that are known again, what is of one type is the same strategy with other parameters.
    const std::vector<Pair> anchors = in_order();
    const auto gap = [&](size_t place, size_t Pair::*side) {
      const auto is_before = [&](const Pair& anchor) { return anchor.*side < place; };
      return std::to_string(std::ranges::count_if(anchors, is_before));
    };
    match_equal([&](const ChildKeys& child, size_t place) { return gap(place, &Pair::a) + child.type; },
                [&](const ChildKeys& child, size_t place) { return gap(place, &Pair::b) + child.type; });
    match_equal([](const ChildKeys& child, size_t) { return child.type; },
                [](const ChildKeys& child, size_t) { return child.type; });
  }

  // In the order of a.
  std::vector<Pair> pairs() const {
    std::vector<Pair> pairs;
    for (size_t a = 0; a < match_of_a_.size(); ++a) {
      if (match_of_a_[a]) pairs.push_back({a, *match_of_a_[a]});
    }
    return pairs;
  }
  bool is_matched_a(size_t place) const { return match_of_a_[place].has_value(); }
  bool is_matched_b(size_t place) const { return match_of_b_[place].has_value(); }

  // The most pairs that stand in one order in both lists; the others have moved. Of several such choices the one is
  // taken that looks the same from both sides.
  std::vector<Pair> in_order() const {
    const std::vector<Pair> all = pairs();
    std::vector<size_t> by_rank(all.size());
    for (size_t i = 0; i < all.size(); ++i) by_rank[i] = i;
    std::ranges::sort(by_rank, {}, [&](size_t i) {
      const auto& [x, y] = std::minmax(a_[all[i].a].whole, b_[all[i].b].whole);
      return std::tuple(all[i].a + all[i].b, std::min(all[i].a, all[i].b), x, y);
    });
    std::vector<size_t> rank(all.size());
    for (size_t i = 0; i < by_rank.size(); ++i) rank[by_rank[i]] = i;

    std::vector<size_t> length(all.size(), 1);  // of the longest row of pairs that begins here
    std::vector<std::optional<size_t>> next(all.size());
    const auto is_better = [&](size_t i, const std::optional<size_t>& other) {
      return !other || length[i] > length[*other] || (length[i] == length[*other] && rank[i] < rank[*other]);
    };
    std::optional<size_t> first;
    for (size_t i = all.size(); i-- > 0;) {
      for (size_t j = i + 1; j < all.size(); ++j) {
        if (all[j].b > all[i].b && is_better(j, next[i])) next[i] = j;
      }
      if (next[i]) length[i] = length[*next[i]] + 1;
      if (is_better(i, first)) first = i;
    }
    std::vector<Pair> row;
    for (; first; first = next[*first]) row.push_back(all[*first]);
    return row;
  }

 private:
  // Of what has one key on both sides, the first goes with the first, the second with the second, and so on.
  template <typename KeyOfA, typename KeyOfB>
  void match_equal(const KeyOfA& key_of_a, const KeyOfB& key_of_b) {
    std::map<std::string, std::vector<size_t>> places_in_b;
    for (size_t b = b_.size(); b-- > 0;) {
      if (!match_of_b_[b]) places_in_b[key_of_b(b_[b], b)].push_back(b);
    }
    for (size_t a = 0; a < a_.size(); ++a) {
      if (match_of_a_[a]) continue;
      const auto found = places_in_b.find(key_of_a(a_[a], a));
      if (found == places_in_b.end() || found->second.empty()) continue;
      match_of_a_[a] = found->second.back();
      match_of_b_[found->second.back()] = a;
      found->second.pop_back();
    }
  }

  std::vector<ChildKeys> a_, b_;
  std::vector<std::optional<size_t>> match_of_a_, match_of_b_;
};

// ---- Comparing ------------------------------------------------------------------------------------------------------

class Comparison {
 public:
  void compare(const JsonValue& a, const JsonValue& b) {
    if (a.object() != nullptr && b.object() != nullptr) return compare_objects(*a.object(), *b.object());
    const Array* items_a = a.array();
    const Array* items_b = b.array();
    if (items_a != nullptr && items_b != nullptr && items_a->size() == items_b->size()) {
      for (size_t i = 0; i < items_a->size(); ++i) {
        enter(i, i);
        compare((*items_a)[i], (*items_b)[i]);
        leave();
      }
      return;
    }
    if (canonical(a) == canonical(b)) return;
    add(canonical(as_integer(a)) == canonical(as_integer(b)) ? Kind::spelling : Kind::changed, a, b);
  }

  std::vector<ConfigChange> take() { return std::move(changes_); }

 private:
  void compare_objects(const JsonValue::Object& a, const JsonValue::Object& b) {
    std::map<std::string_view, std::pair<const JsonValue*, const JsonValue*>> members;
    for (const auto& [key, value] : a) members[key].first = &value;
    for (const auto& [key, value] : b) members[key].second = &value;
    for (const auto& [key, values] : members) {
      const auto& [value_a, value_b] = values;
      enter(key);
      if (value_a == nullptr) {
        add(Kind::added, JsonValue(), *value_b);
      } else if (value_b == nullptr) {
        add(Kind::removed, *value_a, JsonValue());
      } else if (key == "strategy" && is_strategy_list(*value_a) && is_strategy_list(*value_b)) {
        compare_children(*value_a->array(), *value_b->array());
      } else {
        compare(*value_a, *value_b);
      }
      leave();
    }
  }

  void compare_children(const Array& a, const Array& b) {
    ChildMatcher matcher(a, b);
    matcher.match();
    std::vector<Pair> staying = matcher.in_order();
    for (size_t i = 0; i < a.size(); ++i) {
      if (matcher.is_matched_a(i)) continue;
      enter(i, i);
      add(Kind::removed, a[i], JsonValue());
      leave();
    }
    for (size_t i = 0; i < b.size(); ++i) {
      if (matcher.is_matched_b(i)) continue;
      enter(i, i);
      add(Kind::added, JsonValue(), b[i]);
      leave();
    }
    auto stays = staying.begin();
    for (const Pair& pair : matcher.pairs()) {
      enter(pair.a, pair.b);
      if (stays != staying.end() && stays->a == pair.a) {
        ++stays;
      } else {
        add(Kind::moved, JsonValue(path_text(path_a_)), JsonValue(path_text(path_b_)));
      }
      compare(a[pair.a], b[pair.b]);
      leave();
    }
  }

  void enter(size_t place_a, size_t place_b) {
    path_a_.push_back({.name = "", .is_place = true, .place = place_a});
    path_b_.push_back({.name = "", .is_place = true, .place = place_b});
  }
  void enter(std::string_view name) {
    path_a_.push_back({.name = std::string(name)});
    path_b_.push_back({.name = std::string(name)});
  }
  void leave() {
    path_a_.pop_back();
    path_b_.pop_back();
  }
  void add(Kind kind, JsonValue a, JsonValue b) {
    changes_.push_back({.kind = kind, .path_a = path_a_, .path_b = path_b_, .a = std::move(a), .b = std::move(b)});
    if (kind == Kind::added) changes_.back().path_a.pop_back();
    if (kind == Kind::removed) changes_.back().path_b.pop_back();
  }

  ConfigPath path_a_, path_b_;
  std::vector<ConfigChange> changes_;
};

bool is_plain_name(std::string_view name) {
  const auto is_plain = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c >= 0x80;
  };
  return !name.empty() && std::ranges::all_of(name, is_plain);
}

}  // namespace

std::string path_text(const ConfigPath& path) {
  std::string text;
  for (const PathStep& step : path) {
    if (step.is_place) {
      text += "[" + std::to_string(step.place) + "]";
    } else if (is_plain_name(step.name)) {
      text += (text.empty() ? "" : ".") + step.name;
    } else {
      text += "[" + to_json(JsonValue(step.name)) + "]";
    }
  }
  return text;
}

const char* to_string(Kind kind) {
  switch (kind) {
    case Kind::added:
      return "added";
    case Kind::removed:
      return "removed";
    case Kind::changed:
      return "changed";
    case Kind::spelling:
      return "spelling";
    case Kind::moved:
      return "moved";
  }
  return "";
}

const ConfigPath& path_of(const ConfigChange& change) {
  return change.kind == Kind::added ? change.path_b : change.path_a;
}

std::vector<ConfigChange> diff_configs(const JsonValue& a, const JsonValue& b) {
  Comparison comparison;
  comparison.compare(a, b);
  return comparison.take();
}

}  // namespace signalbook
