// SPDX-License-Identifier: Apache-2.0
#include "run/request.hpp"

#include "util/digest.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

using dockerfile::Mount;

const char* type_name(Mount::Type type) {
  switch (type) {
    case Mount::Type::bind:
      return "bind";
    case Mount::Type::cache:
      return "cache";
    case Mount::Type::tmpfs:
      return "tmpfs";
    case Mount::Type::secret:
      return "secret";
    case Mount::Type::ssh:
      return "ssh";
  }
  return "";
}

std::string mount_text(const RunMount& item) {
  const Mount& mount = item.mount;
  std::string text = std::string(" --mount=") + type_name(mount.type) + ",target=" + escape_word(item.target);
  if (item.from) text += ",from=" + escape_word(item.from_name) + ",source=" + escape_word(item.source);
  if (!mount.id.empty()) text += ",id=" + escape_word(mount.id);
  if (mount.env) text += ",env=" + escape_word(*mount.env);
  if (mount.mode) text += ",mode=" + std::to_string(*mount.mode);
  if (mount.uid) text += ",uid=" + std::to_string(*mount.uid);
  if (mount.gid) text += ",gid=" + std::to_string(*mount.gid);
  if (mount.size != 0) text += ",size=" + std::to_string(mount.size);
  if (mount.required) text += ",required";
  text += mount.read_only ? ",ro" : ",rw";
  return text;
}

}  // namespace

std::string RunRequest::text() const {
  std::string text = "RUN";
  if (!has_network) text += " --network=none";
  if (is_insecure) text += " --security=insecure";
  for (const std::string& option : settings.options())
    text += " " + escape_word(option);
  for (const RunMount& mount : mounts)
    text += mount_text(mount);
  text += " in " + escape_word(workdir);
  if (!user.empty()) text += " as " + escape_word(user);
  for (const auto& [name, value] : environment)
    text += " " + escape_word(name) + "=" + escape_word(value);
  text += " :";
  for (const std::string& argument : arguments)
    text += " " + escape_word(argument);
  if (script) text += " <<" + escape_word(script->name) + ":" + sha256(script->content).hex();
  return text;
}

}  // namespace bottle::run
