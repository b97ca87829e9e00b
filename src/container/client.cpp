// SPDX-License-Identifier: Apache-2.0
#include "container/client.hpp"

#include "util/error.hpp"
#include "util/process.hpp"

namespace bottle::container {
namespace {

bool holds(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    if (text.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

bool CommandStatus::is_absent() const {
  return !ok() && holds(message, {"No such image", "No such object", "No such container", "image not known",
                                  "no such container", "no container with name or ID", "no such object"});
}

bool CommandStatus::is_name_taken() const {
  return !ok() && holds(message, {"is already in use", "name is in use"});
}

Client::Client(std::string program, std::function<void(const std::string&)> note,
               std::vector<std::string> environment)
    : program_(std::move(program)), note_(std::move(note)), environment_(std::move(environment)) {}

CommandStatus Client::command(std::vector<std::string> words, const std::string& what,
                              OnFailure policy) const {
  words.insert(words.begin(), program_);
  const ProcessResult captured = capture(words, environment_);
  CommandStatus status{
      .code = captured.status.signal_number != 0 ? 128 + captured.status.signal_number : captured.status.code,
      .output = captured.output,
      .message = captured.status.success() ? "" : captured.message};
  return judge(std::move(status), what, policy);
}

CommandStatus Client::judge(CommandStatus status, const std::string& what, OnFailure policy) const {
  if (status.ok()) return status;
  const std::string message = status.message.empty()
                                  ? "the command failed with exit code " + std::to_string(status.code)
                                  : status.message;
  if (policy == OnFailure::fatal)
    throw Error(message, {.where = program_ + " " + what,
                          .hint = holds(message, {"Cannot connect", "permission denied"})
                                      ? "start the daemon, or set DOCKER_HOST to its address"
                                      : ""});
  if (policy == OnFailure::best_effort && note_) note_(program_ + " " + what + ": " + message);
  return status;
}

std::optional<std::string> Client::image_id(const std::string& image, OnFailure policy) const {
  const std::string what = "image inspect " + image;
  CommandStatus status =
      command({"image", "inspect", "--format", "{{.Id}}", "--", image}, what, OnFailure::status);
  if (status.is_absent() || !judge(status, what, policy).ok()) return std::nullopt;
  return status.output.starts_with("sha256:") ? status.output : "sha256:" + status.output;
}

CommandStatus Client::tag(const std::string& image, const std::string& name, OnFailure policy) const {
  return command({"tag", "--", image, name}, "tag " + image + " " + name, policy);
}

CommandStatus Client::push(const std::string& name, OnFailure policy) const {
  return command({"push", "--", name}, "push " + name, policy);
}

CommandStatus Client::remove_image(const std::string& name, OnFailure policy) const {
  const std::string what = "rmi " + name;
  CommandStatus status = command({"rmi", "--", name}, what, OnFailure::status);
  if (status.is_absent()) return {};
  return judge(std::move(status), what, policy);
}

std::optional<bool> Client::container_exists(const std::string& name, OnFailure policy) const {
  const std::string what = "container inspect " + name;
  CommandStatus status =
      command({"container", "inspect", "--format", "{{.Id}}", "--", name}, what, OnFailure::status);
  if (status.ok()) return true;
  if (status.is_absent()) return false;
  judge(std::move(status), what, policy);
  return std::nullopt;
}

CommandStatus Client::force_remove(const std::string& container, OnFailure policy) const {
  const std::string what = "rm " + container;
  CommandStatus status = command({"rm", "--force", "--volumes", "--", container}, what, OnFailure::status);
  if (status.is_absent()) return {};
  return judge(std::move(status), what, policy);
}

CommandStatus Client::create(const NewContainer& container, OnFailure policy) const {
  std::vector<std::string> words{"create"};
  if (!container.name.empty()) words.insert(words.end(), {"--name", container.name});
  words.insert(words.end(), container.options.begin(), container.options.end());
  words.insert(words.end(), {"--", container.image});
  words.insert(words.end(), container.command.begin(), container.command.end());
  return command(std::move(words), "create " + container.name, policy);
}

CommandStatus Client::copy_into(const std::string& container, const fs::path& from, const std::string& to,
                                OnFailure policy) const {
  return command({"cp", "--", from.native(), container + ":" + to}, "cp " + container + ":" + to, policy);
}

CommandStatus Client::attach_network(const std::string& network, const std::string& container,
                                     OnFailure policy) const {
  return command({"network", "connect", "--", network, container}, "network connect " + network, policy);
}

CommandStatus Client::start(const std::string& container, OnFailure policy) const {
  return command({"start", "--", container}, "start " + container, policy);
}

CommandStatus Client::execute_as_root(const std::string& container, const std::vector<std::string>& words,
                                      OnFailure policy) const {
  std::vector<std::string> all{"exec", "--user", "0:0", "--", container};
  all.insert(all.end(), words.begin(), words.end());
  return command(std::move(all), "exec " + container, policy);
}

}  // namespace bottle::container
