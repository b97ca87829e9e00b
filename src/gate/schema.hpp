// SPDX-License-Identifier: Apache-2.0
// The part of JSON Schema (draft 7) that our own schemas use, so that what an editor checks is what a tool
// checks: type, enum, required, properties, additionalProperties, minProperties, maxProperties, items,
// minItems, maxItems, minLength, maxLength (in characters), pattern, minimum, maximum, oneOf, and $ref into
// #/definitions.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bottle::gate {

// Throws an Error at the first place where `value` does not fit: where = `place` + JSON pointer (RFC 6901),
// with what was expected and found. A keyword of the schema that is not in the list above is an Error of the
// schema. `place` ends in '#'.
void check_schema(const nlohmann::json& schema, const nlohmann::json& value, const std::string& place);

// The schema of gate descriptions, schema/gate.schema.json.
const nlohmann::json& gate_schema();
const char* gate_schema_text();

}  // namespace bottle::gate
