#include "format/config_diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "format/short_digest.h"
#include "format/strategy_identity.h"

namespace signalbook {
namespace {

using Kind = ConfigChange::Kind;

JsonValue node(const std::string& json) { return normalize_strategy(parse_json(json).value()).value(); }
std::string canonical(const JsonValue& value) { return to_json(value, JsonStyle::canonical); }

// "changed strategy[1].parameters.period: 20 -> 30", one a line.
std::string describe(const JsonValue& a, const JsonValue& b) {
  std::string text;
  for (const ConfigChange& change : diff_configs(a, b)) {
    text += std::string(to_string(change.kind)) + " " + path_text(path_of(change)) + ": " + canonical(change.a) +
            " -> " + canonical(change.b) + "\n";
  }
  return text;
}
std::string describe(const std::string& a, const std::string& b) { return describe(node(a), node(b)); }

// ---- Making the changes that a difference lists: what the difference means, written as plainly as can be ------------

using Changes = std::vector<ConfigChange>;

JsonValue apply(const JsonValue& value, const Changes& changes, size_t depth);

// What concerns one child, by its places in a and b.
Changes below(const Changes& changes, size_t depth, const PathStep& step) {
  Changes found;
  for (const ConfigChange& change : changes) {
    if (change.path_a.size() > depth && change.path_a[depth] == step) found.push_back(change);
  }
  return found;
}

JsonValue apply_to_object(const JsonValue& value, const Changes& changes, size_t depth) {
  JsonValue::Object result;
  for (const auto& [name, member] : *value.object()) {
    const Changes inner = below(changes, depth, {.name = name});
    const bool is_removed = inner.size() == 1 && inner[0].kind == Kind::removed && inner[0].path_a.size() == depth + 1;
    if (!is_removed) result.emplace_back(name, apply(member, inner, depth + 1));
  }
  for (const ConfigChange& change : changes) {
    if (change.kind == Kind::added && change.path_b.size() == depth + 1) {
      result.emplace_back(change.path_b[depth].name, change.b);
    }
  }
  return JsonValue(std::move(result));
}

JsonValue apply_to_array(const JsonValue& value, const Changes& changes, size_t depth) {
  const JsonValue::Array& items = *value.array();
  std::map<size_t, JsonValue> placed;  // in b
  std::vector<JsonValue> staying;
  for (const ConfigChange& change : changes) {
    if (change.kind == Kind::added && change.path_b.size() == depth + 1) placed[change.path_b[depth].place] = change.b;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    Changes inner = below(changes, depth, {.is_place = true, .place = i});
    const auto ends_here = [&](Kind kind) {
      return std::ranges::find_if(
          inner, [&](const ConfigChange& change) { return change.kind == kind && change.path_a.size() == depth + 1; });
    };
    if (ends_here(Kind::removed) != inner.end()) continue;
    const auto moved = ends_here(Kind::moved);
    std::optional<size_t> place;
    if (moved != inner.end()) {
      place = moved->path_b[depth].place;
      inner.erase(moved);
    }
    JsonValue item = apply(items[i], inner, depth + 1);
    place ? void(placed[*place] = std::move(item)) : staying.push_back(std::move(item));
  }
  JsonValue::Array result;
  auto next = staying.begin();
  for (size_t i = 0; i < staying.size() + placed.size(); ++i) {
    const auto here = placed.find(i);
    if (here == placed.end() && next == staying.end()) ADD_FAILURE() << "no item for place " << i;
    if (here == placed.end() && next == staying.end()) break;
    result.push_back(here != placed.end() ? here->second : *next++);
  }
  return JsonValue(std::move(result));
}

JsonValue apply(const JsonValue& value, const Changes& changes, size_t depth) {
  for (const ConfigChange& change : changes) {
    const bool is_here = change.path_a.size() == depth && change.path_b.size() == depth;
    if (is_here && change.kind != Kind::moved) {
      EXPECT_EQ(canonical(change.a), canonical(value));
      return change.b;
    }
  }
  if (value.object() != nullptr) return apply_to_object(value, changes, depth);
  if (value.array() != nullptr) return apply_to_array(value, changes, depth);
  EXPECT_TRUE(changes.empty());
  return value;
}

// ---- Random configurations, small ones, so that equal and similar strategies meet -----------------------------------

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  JsonValue make(int depth = 0) {
    JsonValue::Object config;
    if (depth < 3 && below(3) > 0) {
      JsonValue::Array children;
      for (int i = 1 + below(4); i > 0; --i) children.push_back(child(depth));
      config.emplace_back("strategy", JsonValue(std::move(children)));
      if (below(2) > 0)
        config.emplace_back("threshold", JsonValue(std::string(below(2) > 0 ? "signal > 0" : "signal > 1")));
    } else {
      config.emplace_back("type", JsonValue(std::string(below(2) > 0 ? "rsi" : "macd")));
    }
    config.emplace_back("parameters", parameters());
    return JsonValue(std::move(config));
  }

  // The same with some things changed.
  JsonValue mutate(JsonValue config) {
    for (auto& [name, value] : *config.object()) {
      if (name == "parameters" && below(3) == 0) value = parameters();
      JsonValue::Array* children = name == "strategy" ? value.array() : nullptr;
      if (children == nullptr) continue;
      for (JsonValue& one : *children) {
        if (below(3) == 0) one = mutate(one);
      }
      if (below(3) == 0) children->insert(children->begin() + below(static_cast<int>(children->size()) + 1), child(2));
      if (below(3) == 0 && children->size() > 1)
        children->erase(children->begin() + below(static_cast<int>(children->size())));
      if (below(3) == 0) std::shuffle(children->begin(), children->end(), random_);
    }
    return config;
  }

 private:
  int below(int end) { return static_cast<int>(random_() % static_cast<unsigned>(end)); }

  JsonValue child(int depth) {
    JsonValue config = make(depth + 1);
    if (below(2) > 0) config.set("weight", JsonValue(0.25 * (1 + below(3))));
    return config;
  }

  JsonValue parameters() {
    JsonValue::Object values;
    for (const char* name : {"a", "b.c", "w"}) {
      switch (below(6)) {
        case 0:
          values.emplace_back(name, JsonValue(int64_t{2}));
          break;
        case 1:
          values.emplace_back(name, JsonValue(2.0));
          break;
        case 2:
          values.emplace_back(name, JsonValue(below(2) > 0 ? -0.0 : 0.0));
          break;
        case 3:
          values.emplace_back(name,
                              JsonValue(JsonValue::Array(static_cast<size_t>(below(3)), JsonValue(int64_t{below(2)}))));
          break;
        case 4:
          values.emplace_back(name, JsonValue(JsonValue::Object{{"x", JsonValue(below(2) > 0)}}));
          break;
        default:
          break;
      }
    }
    return JsonValue(std::move(values));
  }

  std::mt19937 random_;
};

std::multiset<std::string> as_set(const Changes& changes, bool mirrored) {
  std::multiset<std::string> set;
  for (const ConfigChange& change : changes) {
    Kind kind = change.kind;
    if (mirrored && kind == Kind::added) {
      kind = Kind::removed;
    } else if (mirrored && kind == Kind::removed) {
      kind = Kind::added;
    }
    const auto side = [](const ConfigPath& path, const JsonValue& value) {
      return path_text(path) + "=" + canonical(value);
    };
    const std::string a = side(change.path_a, change.a), b = side(change.path_b, change.b);
    set.insert(std::string(to_string(kind)) + " " + (mirrored ? b + " | " + a : a + " | " + b));
  }
  return set;
}

TEST(ConfigDiff, MakingTheChangesTurnsOneIntoTheOther) {
  size_t moved = 0, spelled = 0, added = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Maker maker(seed);
    const JsonValue given = maker.make();
    const JsonValue a = normalize_strategy(given).value();
    const JsonValue b = normalize_strategy(seed % 4 == 0 ? maker.make() : maker.mutate(given)).value();
    SCOPED_TRACE(canonical(a) + "\n" + canonical(b));
    EXPECT_TRUE(diff_configs(a, a).empty());
    const Changes changes = diff_configs(a, b), back = diff_configs(b, a);
    ASSERT_EQ(canonical(apply(a, changes, 0)), canonical(b));
    ASSERT_EQ(as_set(changes, true), as_set(back, false));
    ASSERT_EQ(changes.empty(), canonical(a) == canonical(b));
    // "Only another spelling" is what value_digest says.
    const bool all_spelled =
        std::ranges::all_of(changes, [](const ConfigChange& change) { return change.kind == Kind::spelling; });
    ASSERT_EQ(all_spelled, identify_normalized(a).value_digest == identify_normalized(b).value_digest);
    for (const ConfigChange& change : changes) {
      moved += change.kind == Kind::moved;
      spelled += change.kind == Kind::spelling;
      added += change.kind == Kind::added;
    }
  }
  // The property speaks of something.
  EXPECT_GT(moved, 100u);
  EXPECT_GT(spelled, 100u);
  EXPECT_GT(added, 100u);
}

TEST(ConfigDiff, NamesEveryKindOfChange) {
  EXPECT_EQ(describe(R"({"bb":{"period":20,"std":2,"mode":"x"}})", R"({"bb":{"period":30,"std":2.0,"exit":[1]}})"),
            "added parameters.exit: null -> [1]\n"
            "removed parameters.mode: \"x\" -> null\n"
            "changed parameters.period: 20 -> 30\n"
            "spelling parameters.std: 2 -> 2.0\n");
  EXPECT_EQ(describe(R"({"a":{}})", R"({"b":{}})"), "changed type: \"a\" -> \"b\"\n");
  EXPECT_EQ(describe(R"({"a":{"x y":1,"l":[1,2]}})", R"({"a":{"x y":2,"l":[1,3]}})"),
            "changed parameters.l[1]: 2 -> 3\nchanged parameters[\"x y\"]: 1 -> 2\n");
  EXPECT_EQ(describe(R"({"a":{"l":[1,2]}})", R"({"a":{"l":[1]}})"), "changed parameters.l: [1,2] -> [1]\n");
  // Exact, beyond what a double holds, and by kind.
  EXPECT_EQ(describe(R"({"a":{"x":9007199254740993}})", R"({"a":{"x":9007199254740992.0}})"),
            "changed parameters.x: 9007199254740993 -> 9007199254740992.0\n");
  EXPECT_EQ(describe(R"({"a":{"x":true}})", R"({"a":{"x":1}})"), "changed parameters.x: true -> 1\n");
  // Every spelling of one configuration is the same.
  EXPECT_EQ(describe(R"({"rsi":{"period":14},"strategy_id":"x"})", R"({"type":"rsi","parameters":{"period":14}})"), "");
}

TEST(ConfigDiff, AnInsertedLeafIsOneAddition) {
  const std::string a = R"({"strategy":[{"rsi":{"p":1}},{"rsi":{"p":2}},{"macd":{}}]})";
  EXPECT_EQ(describe(a, R"({"strategy":[{"rsi":{"p":9}},{"rsi":{"p":1}},{"rsi":{"p":2}},{"macd":{}}]})"),
            "added strategy[0]: null -> {\"parameters\":{\"p\":9},\"type\":\"rsi\"}\n");
  EXPECT_EQ(describe(a, R"({"strategy":[{"rsi":{"p":1}},{"macd":{}}]})"),
            "removed strategy[1]: {\"parameters\":{\"p\":2},\"type\":\"rsi\"} -> null\n");
  // The one between two that are known again is the same with another parameter; a weight is a change of its own.
  EXPECT_EQ(describe(a, R"({"strategy":[{"rsi":{"p":1,"weight":0.5}},{"rsi":{"p":3}},{"macd":{}}]})"),
            "added strategy[0].weight: null -> 0.5\nchanged strategy[1].parameters.p: 2 -> 3\n");
  // Only what left its place has moved.
  EXPECT_EQ(describe(a, R"({"strategy":[{"macd":{}},{"rsi":{"p":1}},{"rsi":{"p":2}}]})"),
            "moved strategy[2]: \"strategy[2]\" -> \"strategy[0]\"\n");
  // The same hash comes before the same values.
  const std::string real_first = R"({"strategy":[{"a":{"x":2.0,"weight":2}},{"a":{"x":2,"weight":2}},{"c":{}}]})";
  EXPECT_EQ(describe(R"({"strategy":[{"a":{"x":2,"weight":1}},{"a":{"x":2.0,"weight":1}},{"c":{}}]})", real_first)
                .find("spelling"),
            std::string::npos);
  EXPECT_EQ(describe(R"({"strategy":[{"strategy":[{"a":{"x":1}},{"b":{}}]},{"c":{}}]})",
                     R"({"strategy":[{"d":{}},{"strategy":[{"a":{"x":2}},{"b":{}}]},{"c":{"y":1}}]})"),
            "added strategy[0]: null -> {\"parameters\":{},\"type\":\"d\"}\n"
            "changed strategy[0].strategy[0].parameters.x: 1 -> 2\n"
            "added strategy[2].parameters.y: null -> 1\n");
}

TEST(ShortDigest, TellsApartByOneDigitMoreThanWhatIsCommon) {
  const std::string a(64, 'a'), b = std::string(20, 'a') + std::string(44, 'b'), c = std::string(64, 'c');
  const std::vector<std::string> none, one = {a}, two = {a, c}, three = {a, b, c};
  EXPECT_EQ(digits_to_tell_apart(none, 12), 12u);
  EXPECT_EQ(digits_to_tell_apart(one, 4), 4u);
  EXPECT_EQ(digits_to_tell_apart(two, 0), 1u);
  EXPECT_EQ(digits_to_tell_apart(two, 12), 12u);
  EXPECT_EQ(digits_to_tell_apart(three, 12), 21u);
}

}  // namespace
}  // namespace signalbook
