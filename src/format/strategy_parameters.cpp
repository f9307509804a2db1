#include "format/strategy_parameters.h"

namespace signalbook {

namespace {

const JsonValue* older_parameters(const JsonValue& node) {
  const JsonValue* params = node.find("params");
  return params != nullptr && params->object() != nullptr ? params : nullptr;
}

}  // namespace

JsonValue::Object queryable_parameters(const JsonValue& node) {
  const JsonValue& given = *node.find("parameters");
  JsonValue::Object parameters = *given.object();
  if (const JsonValue* older = older_parameters(node)) {
    for (const JsonValue::Member& member : *older->object()) {
      if (given.find(member.first) == nullptr) parameters.push_back(member);
    }
  }
  return parameters;
}

const JsonValue* find_parameter(const JsonValue& node, std::string_view name) {
  const JsonValue* parameter = node.find("parameters")->find(name);
  const JsonValue* older = older_parameters(node);
  return parameter == nullptr && older != nullptr ? older->find(name) : parameter;
}

}  // namespace signalbook
