// SPDX-License-Identifier: Apache-2.0
#include "registry/server/reply.hpp"

#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::registry {

Method parse_method(std::string_view name) {
  if (name == "GET") return Method::get;
  if (name == "HEAD") return Method::head;
  if (name == "POST") return Method::post;
  if (name == "PUT") return Method::put;
  if (name == "PATCH") return Method::patch;
  if (name == "DELETE") return Method::remove;
  return Method::other;
}

Reply json_reply(std::string body, std::string_view type) {
  Reply reply;
  reply.body = std::move(body);
  reply.with("Content-Type", std::string(type));
  return reply;
}

Reply error_reply(int status, std::string_view code, std::string_view message) {
  const OrderedJson document = {{"errors", OrderedJson::array({{{"code", code}, {"message", message}}})}};
  Reply reply = json_reply(document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  reply.status = status;
  return reply;
}

bool matches_entity_tag(std::string_view header, std::string_view digest) {
  for (std::string_view tag : split(header, ',')) {
    while (!tag.empty() && (tag.front() == ' ' || tag.front() == '\t'))
      tag.remove_prefix(1);
    while (!tag.empty() && (tag.back() == ' ' || tag.back() == '\t'))
      tag.remove_suffix(1);
    if (tag == "*") return true;
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
    if (tag == digest) return true;
  }
  return false;
}

}  // namespace bottle::registry
