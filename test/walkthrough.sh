#!/usr/bin/env bash
# The walk-through of README.md, step by step as it stands there, in a directory "walkthrough" that is removed at the end.
# Needs Go, the AWS command line and curl; ports 8470, 8480 and 8001 to 8004 of 127.0.0.1 must be free.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$PWD
cleanup() {
  cd "$home/walkthrough" 2>/dev/null || return
  jobs -p | xargs -r kill 2>/dev/null || true # server and agents
  wait || true
  for pid in hosts/*/app.pid; do ./crossfade demo-app stop --pid-file "$pid" || true; done
  cd "$home" && rm -rf walkthrough
}
trap cleanup EXIT

mkdir walkthrough && go build -o walkthrough/crossfade ./cmd/crossfade && cd walkthrough
export CROSSFADE=$PWD/crossfade
export CROSSFADE_ROOT_ACCESS_KEY_ID=AKIDWALKTHROUGH CROSSFADE_ROOT_SECRET_ACCESS_KEY=choose-a-secret
$CROSSFADE server --config ../examples/crossfade.yaml >server.log 2>&1 &
until curl -fs http://127.0.0.1:8470/readyz; do sleep 0.2; done

export AWS_ACCESS_KEY_ID=$CROSSFADE_ROOT_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$CROSSFADE_ROOT_SECRET_ACCESS_KEY
export AWS_ENDPOINT_URL=http://127.0.0.1:8470 AWS_DEFAULT_REGION=us-east-1

port=8001
for name in blue-1 blue-2 green-1 green-2; do
  mkdir -p hosts/$name
  $CROSSFADE host add $name --tag Environment=${name%-*} --tag crossfade:address=127.0.0.1:$port --out hosts/$name.yml
  APP_HOME=$PWD/hosts/$name APP_LISTEN=127.0.0.1:$port $CROSSFADE agent --config hosts/$name.yml --root hosts/$name/agent 2>hosts/$name/agent.log &
  port=$((port + 1))
done

aws deploy create-application --application-name web
aws deploy create-deployment-config --deployment-config-name KeepOne --minimum-healthy-hosts type=HOST_COUNT,value=1
aws deploy create-deployment-group --application-name web --deployment-group-name production \
  --service-role-arn arn:aws:iam::000000000000:role/CodeDeploy --deployment-config-name KeepOne \
  --on-premises-instance-tag-filters Key=Environment,Value=blue,Type=KEY_AND_VALUE \
  --deployment-style deploymentType=IN_PLACE,deploymentOption=WITH_TRAFFIC_CONTROL \
  --load-balancer-info 'targetGroupInfoList=[{name=web}]'

aws deploy push --application-name web --s3-location s3://releases/web-v1.zip --source ../examples/app
id=$(aws deploy create-deployment --application-name web --deployment-group-name production \
  --s3-location bucket=releases,key=web-v1.zip,bundleType=zip --query deploymentId --output text)
aws deploy wait deployment-successful --deployment-id $id
curl -fs http://127.0.0.1:8480/version

cp -r ../examples/app v2 && echo v2 > v2/site/VERSION
aws deploy push --application-name web --s3-location s3://releases/web-v2.zip --source v2
aws deploy update-deployment-group --application-name web --current-deployment-group-name production \
  --deployment-style deploymentType=BLUE_GREEN,deploymentOption=WITH_TRAFFIC_CONTROL \
  --blue-green-deployment-configuration 'deploymentReadyOption={actionOnTimeout=STOP_DEPLOYMENT,waitTimeInMinutes=60},terminateBlueInstancesOnDeploymentSuccess={action=TERMINATE,terminationWaitTimeInMinutes=60},greenFleetProvisioningOption={action=DISCOVER_EXISTING}'
$CROSSFADE plan --application-name web --deployment-group-name production --s3-location bucket=releases,key=web-v2.zip,bundleType=zip \
  --target-instances '{"tagFilters":[{"Key":"Environment","Value":"green","Type":"KEY_AND_VALUE"}]}'
id=$(aws deploy create-deployment --application-name web --deployment-group-name production \
  --s3-location bucket=releases,key=web-v2.zip,bundleType=zip \
  --target-instances 'tagFilters=[{Key=Environment,Value=green,Type=KEY_AND_VALUE}]' --query deploymentId --output text)
$CROSSFADE wait $id --for ready --timeout 5m
curl -fs http://127.0.0.1:8480/version

aws deploy continue-deployment --deployment-id $id --deployment-wait-type READY_WAIT
$CROSSFADE wait $id --for rerouted --timeout 5m
curl -fs http://127.0.0.1:8480/version

aws deploy continue-deployment --deployment-id $id --deployment-wait-type TERMINATION_WAIT
aws deploy wait deployment-successful --deployment-id $id
aws deploy get-deployment --deployment-id $id --query 'deploymentInfo.[status,deploymentOverview]'
