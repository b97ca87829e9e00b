# SPDX-License-Identifier: Apache-2.0
# Settings that a build reads from this machine and its environment. They are read when the project is configured and written
# to specifications, so that all steps of a build use the same values and a change runs only the steps that depend on it.
include_guard(GLOBAL)

# All variables that a user may set. Those of the first list initialize properties of bottles.
set_property(GLOBAL PROPERTY _BOTTLE_PROPERTIES
  ENGINE PACKER PLATFORM CPUS MEMORY NETWORK RUN_NETWORK RUN_ISOLATION GIT_MODES SMOLVM_VERSION LOCKED PUSH_OPTIONS)
set_property(GLOBAL PROPERTY _BOTTLE_VARIABLES
  IMAGE_JOBS CACHE_DIR SMOLVM_RUNTIME SOURCE_DATE_EPOCH SCAN LOCK VERIFY_REMOTE SKILLS_DIR IMAGES_DIR TOOLS_DIR TOOLS
  TOOLS_CMAKE_ARGS)

# Warns of variables that are probably misspelt: BTTLE_ENGINE, BOTTLE_ENGIN. CMake does not report variables that are set and
# not used. Each name is reported once.
function(_bottle_check_variables where)
  get_property(properties GLOBAL PROPERTY _BOTTLE_PROPERTIES)
  get_property(known GLOBAL PROPERTY _BOTTLE_VARIABLES)
  get_property(seen GLOBAL PROPERTY _BOTTLE_SEEN_VARIABLES)
  list(APPEND known ${properties})
  list(TRANSFORM known PREPEND BOTTLE_)
  get_cmake_property(names VARIABLES)
  # Three of the letters of BOTTLE in their order at the begin: distances take time. Lower case is a variable of the project.
  list(FILTER names INCLUDE REGEX
    "^[A-Z]*(BO[A-Z]*T|BT[A-Z]*L|OT[A-Z]*L|B[A-Z]*TL|BO[A-Z]*L|TL[A-Z]*E|B[A-Z]*LE)[A-Z]*[A-Z_-]+$")
  list(REMOVE_ITEM names ${known} ${seen})
  foreach(name IN LISTS names)
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_SEEN_VARIABLES "${name}")
    _bottle_nearest(nearest "${name}" ${known})
    if(nearest)
      _bottle_distance(distance "${name}" "${nearest}")
      if(distance LESS_EQUAL 2)
        message(WARNING "${where}: the variable ${name} is unknown; did you mean ${nearest}?")
      endif()
    endif()
  endforeach()
endfunction()

# _bottle_environment(<out> <name>): an environment variable at the time of configuring. If it is not set now, it keeps its last
# value, like CC in CMake: a build that configures itself again in another shell stays the same.
function(_bottle_environment out name)
  if(NOT "$ENV{${name}}" STREQUAL "")
    set(_BOTTLE_ENVIRONMENT_${name} "$ENV{${name}}" CACHE INTERNAL "${name} of the environment that configured last")
  endif()
  set(${out} "${_BOTTLE_ENVIRONMENT_${name}}" PARENT_SCOPE)
endfunction()

# The default of a setting, without an argument, a property or a variable.
function(_bottle_setting_default out setting)
  set(ENGINE builtin)
  _bottle_environment(engine BOTTLE_ENGINE)
  if(NOT engine STREQUAL "")
    set(ENGINE "${engine}")
  endif()
  set(PACKER native)
  set(PLATFORM "")
  set(CPUS 4)
  set(MEMORY 8192)
  set(NETWORK FALSE)
  set(GIT_MODES TRUE)
  set(RUN_NETWORK host)
  set(RUN_ISOLATION "")  # as the environment of the build says
  set(SMOLVM_VERSION current)
  set(LOCKED "")  # as the environment of the build says
  set(${out} "${${setting}}" PARENT_SCOPE)
endfunction()

# _bottle_refuse_expression(<where> <variable>): an error if a variable, or an argument ARG_*, that is needed when the project is
# configured contains a generator expression.
function(_bottle_refuse_expression where variable)
  if("${${variable}}" MATCHES "\\$<")
    string(REGEX REPLACE "^ARG_" "" name "${variable}")
    _bottle_decode(value "${${variable}}")
    message(FATAL_ERROR "${where}: ${name} \"${value}\" is needed when the project is configured, so it cannot contain a "
      "generator expression")
  endif()
endfunction()

# _bottle_epoch(<out> <where>): the time of all files and records in images and packs, BOTTLE_SOURCE_DATE_EPOCH or the
# environment's.
function(_bottle_epoch out where)
  _bottle_refuse_expression("${where}" BOTTLE_SOURCE_DATE_EPOCH)
  set(name BOTTLE_SOURCE_DATE_EPOCH)
  set(epoch "${BOTTLE_SOURCE_DATE_EPOCH}")
  if(epoch STREQUAL "")
    set(name "SOURCE_DATE_EPOCH of the environment")
    set(epoch "$ENV{SOURCE_DATE_EPOCH}")
  endif()
  # The years 0 to 9999 (parse_epoch() in src/image/model/spec.hpp).
  if(NOT epoch STREQUAL "" AND NOT (epoch MATCHES "^[-+]?[0-9]+$" AND epoch GREATER_EQUAL -62167219200
                                    AND epoch LESS_EQUAL 253402300799))
    message(FATAL_ERROR "${where}: ${name} \"${epoch}\": expected seconds since 1970 (-62167219200 to 253402300799)")
  endif()
  if("${BOTTLE_SOURCE_DATE_EPOCH}" STREQUAL "")
    _bottle_environment(epoch SOURCE_DATE_EPOCH)
  endif()
  if(epoch STREQUAL "")
    set(epoch 0)
  endif()
  math(EXPR epoch "${epoch}")  # without leading zeros and "+", which JSON does not have
  set(${out} "${epoch}" PARENT_SCOPE)
endfunction()

# _bottle_store(<out>): the directory of the store, BOTTLE_CACHE_DIR or the environment's; "" is the tools' default.
function(_bottle_store out where)
  _bottle_refuse_expression("${where}" BOTTLE_CACHE_DIR)
  set(store "${BOTTLE_CACHE_DIR}")
  if(store STREQUAL "")
    _bottle_environment(store BOTTLE_CACHE_DIR)
  endif()
  if(NOT store STREQUAL "")
    get_filename_component(store "${store}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
  endif()
  set(${out} "${store}" PARENT_SCOPE)
endfunction()

# _bottle_runtime(<out> <where>): the agent root filesystem of smolvm in packs, or "none": BOTTLE_SMOLVM_RUNTIME, or the first
# directory where smolvm searches. A directory that was found is kept (as with find_path()) until it is removed or the
# environment names another one.
function(_bottle_runtime out where)
  _bottle_refuse_expression("${where}" BOTTLE_SMOLVM_RUNTIME)
  set(runtime "${BOTTLE_SMOLVM_RUNTIME}")
  if(runtime STREQUAL "none")
    set(${out} none PARENT_SCOPE)
    return()
  endif()
  if(NOT runtime STREQUAL "")
    get_filename_component(runtime "${runtime}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
    _bottle_is_runtime(is_runtime "${runtime}")
    if(NOT is_runtime)
      message(FATAL_ERROR "${where}: BOTTLE_SMOLVM_RUNTIME \"${runtime}\" is not an agent root filesystem of smolvm: it has no "
        "sbin/init. Name smolvm's directory agent-rootfs, or \"none\" for packs without one")
    endif()
    set(${out} "${runtime}" PARENT_SCOPE)
    return()
  endif()
  get_property(searched GLOBAL PROPERTY _BOTTLE_RUNTIME_SEARCHED)
  if(NOT searched)
    _bottle_find_runtime()
    set_property(GLOBAL PROPERTY _BOTTLE_RUNTIME_SEARCHED TRUE)
  endif()
  set(${out} "${_BOTTLE_SMOLVM_RUNTIME}" PARENT_SCOPE)
endfunction()

# smolvm's own rule: sbin/init must exist. It may be a dangling link on this machine.
function(_bottle_is_runtime out directory)
  set(${out} FALSE PARENT_SCOPE)
  if(EXISTS "${directory}/sbin/init" OR IS_SYMLINK "${directory}/sbin/init")
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

# Sets the cache entry _BOTTLE_SMOLVM_RUNTIME. The places are those of find_runtime() in src/pack/runtime.cpp.
function(_bottle_find_runtime)
  set(places "$ENV{SMOLVM_AGENT_ROOTFS}" "${_BOTTLE_SMOLVM_RUNTIME}")
  if(NOT "$ENV{XDG_DATA_HOME}" STREQUAL "")
    list(APPEND places "$ENV{XDG_DATA_HOME}/smolvm/agent-rootfs")
  elseif(NOT "$ENV{HOME}" STREQUAL "")
    list(APPEND places "$ENV{HOME}/.local/share/smolvm/agent-rootfs")
  endif()
  string(REPLACE ":" ";" directories "$ENV{PATH}")
  foreach(directory IN LISTS directories)
    if(EXISTS "${directory}/smolvm")
      file(REAL_PATH "${directory}/smolvm" program)
      get_filename_component(directory "${program}" DIRECTORY)
      list(APPEND places "${directory}/agent-rootfs")
    endif()
  endforeach()
  list(APPEND places /usr/lib/smolvm/agent-rootfs)
  set(found none)
  foreach(place IN LISTS places)
    if(IS_ABSOLUTE "${place}")
      _bottle_is_runtime(is_runtime "${place}")
      if(is_runtime)
        set(found "${place}")
        break()
      endif()
    endif()
  endforeach()
  if(NOT "${_BOTTLE_SMOLVM_RUNTIME}" STREQUAL found AND NOT found STREQUAL "none")
    message(STATUS "Bottle: packs contain the agent root filesystem of smolvm in ${found} (BOTTLE_SMOLVM_RUNTIME)")
  endif()
  set(_BOTTLE_SMOLVM_RUNTIME "${found}" CACHE INTERNAL "The agent root filesystem of smolvm that was found")
endfunction()

# _bottle_runtime_rule(<out> <runtime>): the target that reads an agent root filesystem, one time for all bottles. Packs depend on
# its file <build>/bottle-runtime/<out>.digest, which changes only if the content of the filesystem changes.
function(_bottle_runtime_rule out runtime)
  string(SHA256 name "${runtime}")
  string(SUBSTRING "${name}" 0 16 name)
  set(${out} "${name}" PARENT_SCOPE)
  if(TARGET _bottle-runtime-${name})
    return()
  endif()
  set(file "${CMAKE_BINARY_DIR}/bottle-runtime/${name}")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/bottle-runtime")
  _bottle_tool(pack pack)
  _bottle_store(store "add_bottle")
  if(NOT store STREQUAL "")
    set(store --store "${store}")
  endif()
  _bottle_step(
    STAMP "${file}.stamp" RESULT "${file}.digest"
    COMMAND "${pack}" runtime "${runtime}" --quiet --stamp "${file}.stamp" --result "${file}.digest" --depfile "${file}.d" ${store}
    DEPENDS "${pack}"
    DEPFILE "${file}.d" TARGET _bottle-runtime-${name}
    COMMENT "Reading the agent root filesystem ${runtime}")
  add_custom_target(_bottle-runtime-${name} DEPENDS "${file}.digest")
  # If it is removed or replaced, the project is configured and it is searched again before the build.
  if(EXISTS "${runtime}/sbin")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${runtime}/sbin")
  endif()
endfunction()
