// SPDX-License-Identifier: Apache-2.0
#include "gate/schema.hpp"

#include <regex>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

std::size_t characters(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++count;
  return count;
}

// "a string": the type that a schema requires, for messages.
std::string wanted(const std::string& type) {
  if (type == "object") return "an object";
  if (type == "array") return "an array";
  if (type == "boolean") return "true or false";
  if (type == "integer") return "a whole number";
  return "a " + type;
}

class Check {
 public:
  explicit Check(const Json& root) : root_(root) {}

  void value(const Json& schema, const Json& value, const std::string& place) const {
    refuse_unknown_keywords(schema);
    if (const auto reference = schema.find("$ref"); reference != schema.end()) {
      this->value(resolve(reference->get<std::string>()), value, place);
      return;  // draft 7: what stands beside $ref does not count
    }
    type(schema, value, place);
    if (const auto list = schema.find("enum"); list != schema.end()) enumeration(*list, value, place);
    if (value.is_object()) object(schema, value, place);
    if (value.is_array()) array(schema, value, place);
    if (value.is_string()) string(schema, value, place);
    if (value.is_number()) number(schema, value, place);
    if (const auto list = schema.find("oneOf"); list != schema.end()) one_of(*list, value, place);
  }

 private:
  static void refuse_unknown_keywords(const Json& schema) {
    static const std::set<std::string> known{"$schema",       "title",      "description",
                                             "definitions",   "type",       "enum",
                                             "required",      "properties", "minProperties",
                                             "minLength",     "maxLength",  "pattern",
                                             "minimum",       "maximum",    "items",
                                             "maxProperties", "minItems",   "maxItems",
                                             "oneOf",         "$ref",       "additionalProperties"};
    for (const auto& [keyword, unused] : schema.items())
      if (known.count(keyword) == 0)
        throw Error("the schema uses \"" + keyword + "\", which this tool does not support");
  }

  const Json& resolve(const std::string& reference) const {
    if (reference.substr(0, 1) != "#")
      throw Error("unsupported reference in the schema: \"" + reference + "\"");
    return root_.at(Json::json_pointer(reference.substr(1)));
  }

  static void type(const Json& schema, const Json& value, const std::string& place) {
    const auto found = schema.find("type");
    if (found == schema.end()) return;
    const std::string name = *found;
    const bool fits = name == "object"    ? value.is_object()
                      : name == "array"   ? value.is_array()
                      : name == "string"  ? value.is_string()
                      : name == "boolean" ? value.is_boolean()
                      : name == "integer" ? value.is_number_integer()
                      : name == "number"  ? value.is_number()
                                          : false;
    if (!fits) JsonView(value, place).fail(wanted(name));
  }

  static void enumeration(const Json& list, const Json& value, const std::string& place) {
    std::vector<std::string> words;
    for (const Json& item : list) {
      if (item == value && item.type() == value.type()) return;
      if (item == value && item.is_number_integer() && value.is_number_integer()) return;
      words.push_back(item.dump());
    }
    JsonView(value, place).fail(fmt::format("{}", fmt::join(words, " or ")));
  }

  void object(const Json& schema, const Json& value, const std::string& place) const {
    static const Json none = Json::object();
    const auto found = schema.find("properties");
    const Json& properties = found == schema.end() ? none : *found;
    if (const auto required = schema.find("required"); required != schema.end())
      for (const Json& name : *required)
        if (!value.contains(name.get<std::string>()))
          throw Error(fmt::format("missing member {}", name.dump()), {.where = place});
    if (const auto least = schema.find("minProperties"); least != schema.end() && value.size() < *least)
      JsonView(value, place)
          .fail(fmt::format("an object with at least {} of {}", least->dump(), names(properties)));
    if (const auto most = schema.find("maxProperties"); most != schema.end() && value.size() > *most)
      throw Error(fmt::format("expected at most {} members, found {}", most->dump(), value.size()),
                  {.where = place});
    for (const auto& [name, member] : value.items()) {
      const std::string member_place = place + (Json::json_pointer() / name).to_string();
      if (const auto property = properties.find(name); property != properties.end()) {
        this->value(*property, member, member_place);
        continue;
      }
      const auto further = schema.find("additionalProperties");
      if (further == schema.end()) continue;
      if (further->is_object()) {
        this->value(*further, member, member_place);
      } else if (!further->get<bool>()) {
        unknown_member(properties, name, member_place);
      }
    }
  }

  static std::string names(const Json& properties) {
    std::string list;
    for (const auto& [name, unused] : properties.items())
      list += (list.empty() ? "" : ", ") + name;
    return list;
  }

  [[noreturn]] static void unknown_member(const Json& properties, const std::string& name,
                                          const std::string& place) {
    std::vector<std::string> candidates;
    for (const auto& [candidate, unused] : properties.items())
      candidates.push_back(candidate);
    ErrorPlace at{.where = place};
    if (const auto near = nearest(name, candidates)) at.hint = "did you mean \"" + *near + "\"?";
    throw Error("expected one of the members " + names(properties) + ", found an unknown one", at);
  }

  void array(const Json& schema, const Json& value, const std::string& place) const {
    if (const auto least = schema.find("minItems"); least != schema.end() && value.size() < *least)
      throw Error(fmt::format("expected at least {} items, found {}", least->dump(), value.size()),
                  {.where = place});
    if (const auto most = schema.find("maxItems"); most != schema.end() && value.size() > *most)
      throw Error(fmt::format("expected at most {} items, found {}", most->dump(), value.size()),
                  {.where = place});
    const auto items = schema.find("items");
    if (items == schema.end()) return;
    for (std::size_t i = 0; i < value.size(); ++i)
      this->value(*items, value[i], place + "/" + std::to_string(i));
  }

  static void string(const Json& schema, const Json& value, const std::string& place) {
    const std::string& text = value.get_ref<const std::string&>();
    if (const auto least = schema.find("minLength"); least != schema.end() && characters(text) < *least)
      throw Error(fmt::format("expected at least {} characters, found {}", least->dump(), characters(text)),
                  {.where = place});
    if (const auto most = schema.find("maxLength"); most != schema.end() && characters(text) > *most)
      throw Error(fmt::format("expected at most {} characters, found {}", most->dump(), characters(text)),
                  {.where = place});
    if (const auto pattern = schema.find("pattern"); pattern != schema.end()) {
      const auto expression = pattern->get<std::string>();
      if (!std::regex_search(text, std::regex(expression)))
        JsonView(value, place).fail("a string that matches " + expression);
    }
  }

  static void number(const Json& schema, const Json& value, const std::string& place) {
    if (const auto least = schema.find("minimum"); least != schema.end() && value < *least)
      JsonView(value, place).fail("at least " + least->dump());
    if (const auto most = schema.find("maximum"); most != schema.end() && value > *most)
      JsonView(value, place).fail("at most " + most->dump());
  }

  // The alternatives of our schemas differ in type, so the one of the value's type tells what is wrong with
  // it.
  void one_of(const Json& list, const Json& value, const std::string& place) const {
    std::string types;
    for (const Json& alternative : list) {
      const Json* schema = &alternative;
      while (schema->contains("$ref"))
        schema = &resolve(schema->at("$ref"));
      const std::string name = schema->at("type");
      if ((name == "string" && value.is_string()) || (name == "array" && value.is_array()) ||
          (name == "object" && value.is_object())) {
        this->value(*schema, value, place);
        return;
      }
      types += (types.empty() ? "" : " or ") + wanted(name);
    }
    JsonView(value, place).fail(types);
  }

  const Json& root_;
};

}  // namespace

void check_schema(const Json& schema, const Json& value, const std::string& place) {
  Check(schema).value(schema, value, place);
}

const Json& gate_schema() {
  static const Json schema = parse_json(gate_schema_text(), "gate.schema.json");
  return schema;
}

}  // namespace bottle::gate
