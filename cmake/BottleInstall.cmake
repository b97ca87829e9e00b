# SPDX-License-Identifier: Apache-2.0
# The package for find_package(Bottle): the same in an installation and in a build tree (-DBottle_DIR=<build>/cmake).
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

set(_bottle_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Bottle")
set(_bottle_build_package_dir "${PROJECT_BINARY_DIR}/cmake")

# The tools are programs for the build machine, so the version file does not check the size of pointers.
write_basic_package_version_file("${_bottle_build_package_dir}/BottleConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

set(BOTTLE_MODULE_DIR "${PROJECT_SOURCE_DIR}/cmake")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/BottleConfig.cmake.in"
  "${_bottle_build_package_dir}/BottleConfig.cmake"
  INSTALL_DESTINATION "${_bottle_build_package_dir}" INSTALL_PREFIX "${PROJECT_BINARY_DIR}"
  PATH_VARS BOTTLE_MODULE_DIR)
export(EXPORT BottleTargets NAMESPACE bottle:: FILE "${_bottle_build_package_dir}/BottleTargets.cmake")

set(BOTTLE_MODULE_DIR "${_bottle_package_dir}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/BottleConfig.cmake.in"
  "${_bottle_build_package_dir}/install/BottleConfig.cmake"
  INSTALL_DESTINATION "${_bottle_package_dir}" PATH_VARS BOTTLE_MODULE_DIR)
install(EXPORT BottleTargets NAMESPACE bottle:: DESTINATION "${_bottle_package_dir}")
install(FILES
  "${_bottle_build_package_dir}/install/BottleConfig.cmake" "${_bottle_build_package_dir}/BottleConfigVersion.cmake"
  DESTINATION "${_bottle_package_dir}")
foreach(module IN ITEMS AddBottle AddGate Bottle BottleArguments BottleChecks BottleContexts BottleEngineNames BottleGateUrls BottleJson BottleOutputs BottlePush
                        BottleRules BottleSettings BottleSpec BottleTools)
  install(FILES "${CMAKE_CURRENT_LIST_DIR}/${module}.cmake" DESTINATION "${_bottle_package_dir}")
endforeach()
# The inputs of add_gate(), and the schema for editors.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/templates" "${PROJECT_SOURCE_DIR}/images" "${PROJECT_SOURCE_DIR}/schema"
  DESTINATION "${_bottle_package_dir}/data")
