// SPDX-License-Identifier: Apache-2.0
// The commands of Docker's command line that Bottle needs (Podman's has the same), each with a failure policy
// that is named where it is called.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::container {

// What a failed command means.
enum class OnFailure {
  fatal,        // an Error: the build fails
  status,       // the caller looks at CommandStatus
  best_effort,  // continues; `note` gets the message
};

struct CommandStatus {
  int code = 0;         // exit code; 128 + n for signal n
  std::string output;   // standard output, without the last line end
  std::string message;  // the last line of standard error, if it failed
  bool ok() const { return code == 0; }
  // The message says that there is no such image or container.
  bool is_absent() const;
  // The message says that another container has the name.
  bool is_name_taken() const;
};

struct NewContainer {
  std::string image;
  std::string name;
  std::vector<std::string> options;  // words for `create`, before the image
  std::vector<std::string> command;
};

// Holds no connection; each call is one process. Throws when the program is not installed, whatever the
// policy.
class Client {
 public:
  // `environment` is added to this process's.
  explicit Client(std::string program = "docker", std::function<void(const std::string&)> note = {},
                  std::vector<std::string> environment = {});

  const std::string& program() const { return program_; }
  const std::vector<std::string>& environment() const { return environment_; }

  // "sha256:<hex>"; nullopt if there is no such image. Only another failure is one for the policy.
  std::optional<std::string> image_id(const std::string& image, OnFailure policy) const;
  CommandStatus tag(const std::string& image, const std::string& name, OnFailure policy) const;
  CommandStatus push(const std::string& name, OnFailure policy) const;
  // Takes the name away, and the image if nothing else needs it. One that is not there counts as removed.
  CommandStatus remove_image(const std::string& name, OnFailure policy) const;

  // nullopt: it could not be found out.
  std::optional<bool> container_exists(const std::string& name, OnFailure policy) const;
  // With its anonymous volumes, running or not. One that is not there counts as removed.
  CommandStatus force_remove(const std::string& container, OnFailure policy) const;
  CommandStatus create(const NewContainer& container, OnFailure policy) const;
  // `to` is a path in the container.
  CommandStatus copy_into(const std::string& container, const fs::path& from, const std::string& to,
                          OnFailure policy) const;
  CommandStatus attach_network(const std::string& network, const std::string& container,
                               OnFailure policy) const;
  CommandStatus start(const std::string& container, OnFailure policy) const;
  CommandStatus execute_as_root(const std::string& container, const std::vector<std::string>& command,
                                OnFailure policy) const;

  // Any command. `what` is for messages: "tag image:1".
  CommandStatus command(std::vector<std::string> words, const std::string& what, OnFailure policy) const;
  // What the policy says to the end of a command that was run with OnFailure::status.
  CommandStatus judge(CommandStatus status, const std::string& what, OnFailure policy) const;

 private:
  std::string program_;
  std::function<void(const std::string&)> note_;
  std::vector<std::string> environment_;
};

}  // namespace bottle::container
