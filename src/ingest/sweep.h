#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "format/json_value.h"
#include "ingest/number_range.h"
#include "ingest/yaml_value.h"

namespace signalbook {

// The configurations that one entry of a YAML file stands for: all combinations of its ranges and lists. They are
// counted without being made, and made one at a time.
//
// Where values are looked for: in `parameters`, in the mapping under a type key ({rsi: {...}}), in `params`, in
// mappings inside these, and in `threshold`, `constraints`, `filter`, `weight` and `risk`; the same in every nested
// strategy, under `strategy` or `strategies`. There
//   - "range(a, b, step)" counts from a to b (number_range.h),
//   - a list is one value after the other. A range in it adds its values, a list in it is a list for a value, so that
//     [[30, 70], [20, 80]] are two and [[]] is the empty list,
//   - a list of mappings only is a list of parts (strategies, exit rules): it stays one, and each part may hold
//     ranges and lists. Outside parameters, under `threshold` and its like, it is one value after the other,
//   - `params: {...}` counts as written in place; `params: [{...}, {...}]` is one combination after the other, each
//     together with what stands beside. `params` is a word of these files, and no configuration has it as a name:
//     {type: rsi, params: {period: 14}} becomes {type: rsi, parameters: {period: 14}}, {rsi: {params: {period: 14}}}
//     becomes {rsi: {period: 14}}.
// Everywhere else (`name`, `symbols`, keys that begin with _) lists are values and a range is an error.
class Sweep {
 public:
  // Invalid, with its place, for what cannot be a configuration or is no sweep: a range that cannot be counted, an
  // empty list, a parameter in and beside `params`.
  static Result<Sweep> read(const TextSource& source, const YamlValue& entry);

  uint64_t count() const { return root_.count; }      // at least 1; 2^64 - 1 stands for more
  uint64_t largest() const { return root_.largest; }  // an upper limit to the values in one configuration
  std::string describe() const;                       // "period 9 x std_dev 5", in their order

  // In the order of the file: the last parameter runs fastest. index < count().
  JsonValue at(uint64_t index) const { return at(root_, index); }

 private:
  friend class SweepReader;

  struct Node;
  struct Field;

  // One of these, by the index that its first value has.
  struct Choice {
    std::vector<Node> options;
    std::vector<uint64_t> first_indices;
  };
  struct List {
    std::vector<Node> items;
  };
  struct Object {
    std::vector<Field> fields;
  };
  // A value, or a place at which values vary. What does not vary below is one JsonValue.
  struct Node {
    std::variant<JsonValue, NumberRange, Choice, List, Object> content;
    uint64_t count = 1;
    uint64_t largest = 1;  // values in the largest of them, counted as YamlValue::node_count
  };
  // A member; without a name, members to be put in place of it.
  struct Field {
    std::string key;
    Node value;
    bool in_place = false;
  };

  static JsonValue at(const Node& node, uint64_t index);
  static void add_member(const Field& field, JsonValue value, JsonValue::Object& object);
  static void describe(const Node& node, const std::string& name, std::vector<std::string>& parts);

  Node root_;
};

}  // namespace signalbook
